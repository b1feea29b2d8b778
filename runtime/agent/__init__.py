"""The native agent: its loop, its model calls, and what it is told."""
