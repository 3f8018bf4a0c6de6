"""Texts of strangers read so that no two readers differ: JSON and YAML."""
