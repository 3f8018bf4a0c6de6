"""embedge: shrink a face-recognition teacher to an edge device without re-enrolling anyone."""

__version__ = "0.1.0"
