"""The client that programs in the sandbox use; its one file is shown to them, and not used outside."""
