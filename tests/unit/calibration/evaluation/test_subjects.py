from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tiny_bundles import face_like, tiny_bundle, tiny_contract, tiny_onnx

from embedge.calibration.evaluation.subjects import opened_model
from embedge.errors import EmbedgeError
from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims, taken_in


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


def mixing(path: str, *nodes: onnx.NodeProto) -> str:
    """What `nodes` make of the embedding takes its place."""
    model = onnx.load(path)
    model.graph.node[-1].output[0] = "own"
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("nodes", "what"),
    [
        (
            [
                helper.make_node("ReduceMean", ["own"], ["mean"], axes=[0], keepdims=1),
                helper.make_node("Sub", ["own", "mean"], ["embedding"]),
            ],
            "alone and beside others",
        ),
        (
            [
                helper.make_node("RandomNormalLike", ["own"], ["chance"], scale=1e4),
                helper.make_node("Add", ["own", "chance"], ["embedding"]),
            ],
            "when asked twice",
        ),
    ],
)
def test_an_answer_that_hangs_on_more_than_the_picture_is_refused(
    foreign: str, nodes: list[onnx.NodeProto], what: str
) -> None:
    opened_model(foreign).encoder.close()
    with pytest.raises(EmbedgeError, match=f"E-UNSTEADY.*{what}") as caught:
        opened_model(mixing(foreign, *nodes))
    assert caught.value.where == foreign
    crops = np.stack([face_like(seed) for seed in range(3)])
    stated = Claims(Stated((127.5,), (127.5,), "RGB"))
    with pytest.raises(EmbedgeError, match=f"E-UNSTEADY.*{what}"):
        taken_in(Path(foreign), crops, stated)


def ended_with(path: str, name: str, shape: list[int | str | None], *, beside: bool) -> str:
    model = onnx.load(path)
    ends = model.graph.output
    if not beside:
        del ends[:]
    ends.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    onnx.save(model, path)
    return path


def test_a_network_of_two_outputs_names_both(foreign: str) -> None:
    with pytest.raises(EmbedgeError, match="E-CONTRACT") as caught:
        opened_model(ended_with(foreign, "flat", ["batch", 392], beside=True))
    assert "2 outputs: embedding ['batch', 24], flat ['batch', 392]" in str(caught.value)
    assert "--embedding NAME" in caught.value.remedy
    assert caught.value.where == foreign


def test_a_network_without_one_row_a_picture_tells_its_shape(foreign: str) -> None:
    with pytest.raises(EmbedgeError, match="E-CONTRACT") as caught:
        opened_model(ended_with(foreign, "maps", ["batch", 8, 7, 7], beside=False))
    assert "output ['batch', 8, 7, 7]" in str(caught.value)


def test_a_network_of_two_inputs_names_both(foreign: str) -> None:
    model = onnx.load(foreign)
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [1]))
    onnx.save(model, foreign)
    with pytest.raises(EmbedgeError, match=r"2 inputs: image \['batch', 3, 112, 112\], age \[1\]"):
        opened_model(foreign)


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
