"""The golden vectors that every bundle carries, whichever way it is made."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from embedge.export.golden import golden_from_graphs
from embedge.runtime.contract import EmbeddingContract
from embedge.train.render import FaceRenderer

__all__ = ["golden_file"]

_FACES = 3
_SEED = 57  # a world of its own: nobody in it has taught or judged a network


def golden_file(graphs: Mapping[str, Path], contract: EmbeddingContract) -> bytes:
    """The content of `golden.bin` for these graphs by artifact name, on rendered faces."""
    people = np.arange(_FACES)
    faces = FaceRenderer(_SEED, hardness=0.5).render(people, np.zeros(_FACES, np.int64))
    return golden_from_graphs(graphs, contract, faces.images)
