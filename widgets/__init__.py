"""Panes of the office and their rendering; no logic of the office."""
