"""Dialogs: each asks one thing, and is dismissed with a typed answer, or None."""
