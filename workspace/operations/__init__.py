"""What is done with a history: edit, restore, undo, merge, blame, search, import, verify."""
