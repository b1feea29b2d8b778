"""The program: command line, application and screens."""
