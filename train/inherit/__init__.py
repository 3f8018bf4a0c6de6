"""Students that begin as a slice of their teacher instead of at random."""

from embedge.train.inherit.folded import FoldedNet, folded_teacher
from embedge.train.inherit.sliced import slice_into

__all__ = ["FoldedNet", "folded_teacher", "slice_into"]
