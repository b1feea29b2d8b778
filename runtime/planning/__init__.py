"""Plans, attempts at their steps, and the lessons of failed ones."""
