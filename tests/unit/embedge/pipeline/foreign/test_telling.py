from pathlib import Path
from typing import Any

import pytest

from embedge.pipeline.foreign.telling import Told


@pytest.mark.parametrize(
    ("file", "name"), [("w600k_mbf.onnx", "w600k_mbf"), ("ü x.onnx", "x"), ("....onnx", "model")]
)
def test_a_bundle_is_named_after_its_file(file: str, name: str) -> None:
    none: Any = None
    assert Told("", Path(file), none, none, {}, {}, none, none).name.strip("-") == name
