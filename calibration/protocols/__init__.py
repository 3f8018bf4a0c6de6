"""Published protocols, each read from its own files."""
