"""Published recognisers on another device than the CPU: torch gives the graph's own answers."""

from pathlib import Path

import numpy as np
import pytest
from pretend_device import PRETEND

from embedge.train.teachers import OnnxTeacher
from embedge.train.teachers.teacher import Placement


@pytest.mark.real
@pytest.mark.parametrize("name", ["w600k_mbf", "foamliu_mbf", "insightface_y1"])
def test_torch_answers_as_the_graph_does(real: Path, name: str) -> None:
    path = real / "models" / f"{name}.onnx"
    images = np.random.default_rng(2).integers(0, 256, (4, 112, 112, 3), np.uint8)
    here = OnnxTeacher(path, "rgb-scaled").features(images)
    there = OnnxTeacher(path, "rgb-scaled").placed(Placement(str(PRETEND))).features(images)
    assert np.abs(there - here).max() <= 1e-4 * np.abs(here).max()
