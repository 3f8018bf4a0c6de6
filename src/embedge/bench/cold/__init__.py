"""Cold start, in a process of its own."""
