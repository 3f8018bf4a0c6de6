"""Bridges fitted on paired embeddings of unlabelled faces."""
