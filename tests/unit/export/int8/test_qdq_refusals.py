"""What cannot be quantised is said in one sentence, before any work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import graph_of
from numpy.typing import NDArray
from onnx import helper
from small_face import CONTRACT

from embedge.errors import EmbedgeError
from embedge.export.graph.running import stamp
from embedge.export.graph.surgery import Graph
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.intake.intake import taken_in

node = helper.make_node
WEIGHT = {"w": np.ones((4, 3, 3, 3), np.float32)}
CONV = node("Conv", ["x", "w"], ["y"], name="first")


def refusal(graph: Graph, pictures: np.ndarray, tmp_path: Path) -> str:
    stamp(graph, CONTRACT)
    graph.write(tmp_path / "m.onnx")
    with pytest.raises(EmbedgeError) as caught:
        qdq_from_onnx(tmp_path / "m.onnx", pictures, tmp_path / "q.onnx")
    assert not (tmp_path / "q.onnx").exists()
    return str(caught.value)


def test_dynamic_sizes(pictures: NDArray[np.uint8], tmp_path: Path) -> None:
    graph_of([CONV], WEIGHT, shape=("batch", 3, "height", "width")).write(tmp_path / "m.onnx")
    with pytest.raises(EmbedgeError, match=r"E-NOT-QUANTISABLE.*'height'.*one size"):
        taken_in(tmp_path / "m.onnx", pictures)


def test_a_model_that_does_not_say_how_it_is_fed(
    pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    graph_of([CONV], WEIGHT).write(tmp_path / "m.onnx")
    with pytest.raises(EmbedgeError, match=r"E-FEEDING-UNSTATED.*--mean"):
        qdq_from_onnx(tmp_path / "m.onnx", pictures, tmp_path / "q.onnx")


def test_quantised_already(student_file: Path, pictures: NDArray[np.uint8], tmp_path: Path) -> None:
    qdq_from_onnx(student_file, pictures, tmp_path / "once.onnx")
    message = refusal(Graph.read(tmp_path / "once.onnx"), pictures, tmp_path)
    assert "quantised already" in message
    assert "QuantizeLinear" in message


def test_unknown_operators_are_named(pictures: NDArray[np.uint8], tmp_path: Path) -> None:
    strange = node("Gelu", ["x"], ["y"], name="mlp/act", domain="com.microsoft")
    message = refusal(graph_of([strange], {}), pictures, tmp_path)
    assert "mlp/act" in message
    assert "com.microsoft::Gelu" in message


def test_nan_weights_are_found(pictures: NDArray[np.uint8], tmp_path: Path) -> None:
    weight = {"w": np.full((4, 3, 3, 3), np.nan, np.float32)}
    graph = graph_of(
        [CONV, node("Relu", ["y"], ["z"]), node("Conv", ["z", "v"], ["o"])],
        weight | {"v": np.ones((2, 4, 1, 1), np.float32)},
    )
    assert "E-NAN" in refusal(graph, pictures, tmp_path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p[:0], "0 calibration pictures are too few"),
        (lambda p: p[:1], "1 calibration pictures are too few"),
        (lambda p: np.repeat(p[:1], 20, axis=0), "same picture"),
        (
            lambda _: np.broadcast_to(
                np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1), (20, 112, 112, 3)
            ),
            "one colour",
        ),
        (lambda p: p[:, :96, :96], "expected uint8"),
    ],
)
def test_useless_pictures(
    student_file: Path,
    pictures: NDArray[np.uint8],
    tmp_path: Path,
    spoil: Callable[..., Any],
    words: str,
) -> None:
    with pytest.raises(EmbedgeError, match="E-CALIBRATION") as caught:
        qdq_from_onnx(student_file, spoil(pictures), tmp_path / "q.onnx")
    assert words in str(caught.value)


@pytest.mark.parametrize("opset", [9, 99])
def test_opset(tmp_path: Path, pictures: NDArray[np.uint8], opset: int) -> None:
    import onnx

    model = graph_of([CONV], WEIGHT).to_model()
    model.opset_import[0].version = opset
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(EmbedgeError, match=f"E-OPSET.*{opset}"):
        qdq_from_onnx(tmp_path / "m.onnx", pictures, tmp_path / "q.onnx")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 100])
def test_files_that_are_no_model(
    tmp_path: Path, pictures: NDArray[np.uint8], content: bytes
) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(EmbedgeError, match="E-GRAPH"):
        qdq_from_onnx(tmp_path / "m.onnx", pictures, tmp_path / "q.onnx")
