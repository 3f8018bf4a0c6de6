"""Colours of a face, its hair and what is around it."""
