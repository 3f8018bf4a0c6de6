from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_bundles import face_like, tiny_bundle, tiny_contract, tiny_onnx

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


def test_a_file_runs_on_the_runtime_that_is_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
    path, faces = tmp_path / "ours.onnx", np.stack([face_like(seed) for seed in range(3)])
    path.write_bytes(tiny_onnx(tiny_contract(24)))
    tiny_bundle(tmp_path / "tiny.embedge", dim=24)
    for place in (path, tmp_path / "tiny.embedge"):
        there = opened_model(str(place), runtime="openvino")
        with there.encoder as found, opened_model(str(place)).encoder as expected:
            assert found.provider == "OpenVINO CPU"
            np.testing.assert_allclose(found.features(faces), expected.features(faces), rtol=1e-4)
        assert there.threshold == opened_model(str(place)).threshold


@pytest.mark.parametrize("place", ["ours.onnx", "tiny.embedge"])
def test_a_runtime_that_cannot_read_the_file_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "ours.onnx").write_bytes(tiny_onnx(tiny_contract(24)))
    tiny_bundle(tmp_path / "tiny.embedge", dim=24)
    with pytest.raises(EmbedgeError, match=r"E-RUNTIME.*which ncnn does not read"):
        opened_model(str(tmp_path / place), runtime="ncnn")
