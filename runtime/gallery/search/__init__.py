"""Whose template is nearest: one byte a dimension, exactly, over all of them."""
