"""The host process: sessions at work on one workspace, and how they are reached."""
