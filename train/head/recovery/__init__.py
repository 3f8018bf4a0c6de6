"""Class centres for a teacher that came without a classifier."""
