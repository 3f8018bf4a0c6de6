"""Faces to learn from and to be judged on."""

from embedge.train.data.faces import FaceSet

__all__ = ["FaceSet"]
