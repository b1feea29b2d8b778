"""What a person can do in the office, and what each key does."""
