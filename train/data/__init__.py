"""Faces to learn from and to be judged on."""

from embedge.train.data.dataset import CorruptRecord, FaceDataset, FaceSet
from embedge.train.data.open import open_faces
from embedge.train.data.splits import Subset, split_by_identity

__all__ = ["CorruptRecord", "FaceDataset", "FaceSet", "Subset", "open_faces", "split_by_identity"]
