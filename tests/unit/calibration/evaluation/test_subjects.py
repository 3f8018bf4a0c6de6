from pathlib import Path

import onnx
import pytest
from tiny_bundles import tiny_contract, tiny_onnx

from embedge.calibration.evaluation.subjects import opened_model
from embedge.errors import EmbedgeError


@pytest.fixture
def foreign(tmp_path: Path) -> str:
    """A network that says nothing of how it is to be fed."""
    model = onnx.load_from_string(tiny_onnx(tiny_contract(24)))
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    return str(tmp_path / "foreign.onnx")


def test_a_foreign_network_is_fed_as_told_and_then_speaks_another_language(foreign: str) -> None:
    plain = opened_model(foreign).encoder.contract
    fed = opened_model(foreign, preprocessing="rgb-imagenet").encoder.contract
    assert (fed.mean, fed.dim) == ((123.675, 116.28, 103.53), plain.dim)
    assert fed.space != plain.space
    same = opened_model(foreign, preprocessing="rgb-scaled").encoder.contract
    assert same == plain
    named = opened_model(foreign, space="ours", preprocessing="bgr-plain").encoder.contract
    assert (named.space, named.colour) == ("ours", "BGR")


def test_a_network_that_says_how_it_is_fed_is_not_fed_otherwise(tmp_path: Path) -> None:
    (tmp_path / "ours.onnx").write_bytes(tiny_onnx(tiny_contract(24)))
    with pytest.raises(EmbedgeError, match="states how it is to be fed"):
        opened_model(str(tmp_path / "ours.onnx"), preprocessing="bgr-plain")
