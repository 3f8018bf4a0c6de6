"""How good embeddings are: subjects, their rows, one judge, and faults of the data."""
