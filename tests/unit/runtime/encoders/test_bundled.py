from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import face_like, tiny_bundle, tiny_contract, tiny_onnx, tiny_threshold

from embedge.errors import EmbedgeError
from embedge.runtime.bundle.bundle import Artifact, Bundle
from embedge.runtime.bundle.manifest import Runtime
from embedge.runtime.bundle.writer import write_bundle
from embedge.runtime.encoders.bundled import TENSORRT, chosen_artifact, encoder_from_bundle
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.encoders.tensorrt import of_bundle


def test_the_artifact_runs_on_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(
        of_bundle, "tensorrt_encoder_from_bundle", lambda _, artifact: asked.append(artifact)
    )
    with Bundle.open(tiny_bundle(tmp_path / "tiny.embedge")) as bundle:
        with encoder_from_bundle(bundle, threads=1) as encoder:
            assert isinstance(encoder, OrtEncoder)
            assert encoder.contract == bundle.contract
        assert encoder_from_bundle(bundle, "raw", require_provider=TENSORRT) is None
    assert asked == ["raw"]


@pytest.fixture
def two_runtimes(tmp_path: Path) -> Bundle:
    """Another network is kept for OpenVINO, so that its answers tell which one ran."""
    contract = tiny_contract(64)
    artifacts = [
        Artifact("fp32", "a.onnx", "fp32", 17, tiny_threshold()),
        Artifact("int8-openvino", "b.onnx", "int8", 17, tiny_threshold(0.5), "openvino"),
        Artifact("fp32-ncnn", "c.param", "fp32", 17, None, "ncnn"),
    ]
    folder = write_bundle(
        tmp_path / "two.embedge",
        name="two",
        contract=contract,
        artifacts=artifacts,
        files={
            "a.onnx": tiny_onnx(contract),
            "b.onnx": tiny_onnx(contract, seed=5),
            "c.param": b"7767517",
        },
        provenance={},
        default_artifact="fp32",
    )
    return Bundle.open(folder)


def test_a_runtime_takes_the_artifact_that_was_made_for_it(two_runtimes: Bundle) -> None:
    assert two_runtimes.artifact("fp32").to_json().keys().isdisjoint({"runtime", "name"})
    chosen: tuple[tuple[Runtime | None, str | None], ...] = (
        (None, "fp32"),
        ("onnxruntime", "fp32"),
        ("openvino", "int8-openvino"),
        ("ncnn", "fp32-ncnn"),
        ("litert", None),
    )
    for runtime, expected in chosen:
        if expected is None:
            with pytest.raises(EmbedgeError, match="E-RUNTIME"):
                chosen_artifact(two_runtimes, None, runtime)
        else:
            assert chosen_artifact(two_runtimes, None, runtime).name == expected


@pytest.mark.parametrize("misfit", [("fp32-ncnn", "openvino"), ("fp32", "ncnn")])
def test_a_file_is_not_given_to_a_runtime_that_cannot_read_it(
    two_runtimes: Bundle, misfit: tuple[str, Runtime]
) -> None:
    with pytest.raises(EmbedgeError, match="E-RUNTIME"):
        chosen_artifact(two_runtimes, *misfit)


def test_an_artifact_runs_where_it_was_made_for(two_runtimes: Bundle) -> None:
    pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
    crops = np.stack([face_like(seed) for seed in range(3)])
    with (
        encoder_from_bundle(two_runtimes, runtime="openvino", threads=1) as made,
        encoder_from_bundle(two_runtimes, "fp32", runtime="openvino", threads=1) as other,
        encoder_from_bundle(two_runtimes, "int8-openvino", runtime="onnxruntime") as moved,
    ):
        assert made.provider == other.provider == "OpenVINO CPU"
        assert moved.provider == "CPUExecutionProvider"
        np.testing.assert_allclose(made.embed(crops), moved.embed(crops), atol=1e-5)
        assert np.abs(made.embed(crops) - other.embed(crops)).max() > 0.01
