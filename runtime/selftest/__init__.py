"""Golden vectors: what a bundle must answer, asked where it runs, with a name for what is wrong."""
