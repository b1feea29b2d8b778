"""Commands and programs in the sandbox, and what they change."""
