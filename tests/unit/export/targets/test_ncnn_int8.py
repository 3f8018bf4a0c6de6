"""ncnn's files in INT8: near to float, smaller, and read by ncnn as they were written."""

from pathlib import Path

import numpy as np
import pytest
from small_face import small_face, smooth_pictures

from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import EmbedgeError
from embedge.export.graph.surgery import Graph
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import OrtEncoder

pytest.importorskip("ncnn", reason="pip install 'embedge[ncnn]'")
pytest.importorskip("pnnx", reason="pip install 'embedge[ncnn]'")

from embedge.export.targets import ncnn_int8
from embedge.export.targets.ncnn_int8 import ncnn_int8_from_graph
from embedge.runtime.encoders.ncnn import NcnnEncoder

PICTURES = smooth_pictures(12)
CONTRACT = EmbeddingContract("s", "m", 16)


@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_it_is_near_to_float(activation: str, tmp_path: Path) -> None:
    onnx_from_student(small_face(activation), CONTRACT, tmp_path / "s.onnx")
    files = ncnn_int8_from_graph(Graph.read(tmp_path / "s.onnx"), PICTURES).files
    layers, weights = files.values()
    rows = layers.decode().splitlines()[2:]
    pointwise = [row for row in rows if row.startswith("Convolution ")]
    assert pointwise
    assert all(" 8=" in row for row in pointwise)
    assert not any(" 8=" in row for row in rows if row.startswith("ConvolutionDepthWise"))
    with (
        NcnnEncoder(layers, weights, CONTRACT, threads=1) as found,
        OrtEncoder(tmp_path / "s.onnx", threads=1) as expected,
    ):
        near = cosines_of(expected.embed(PICTURES), found.embed(PICTURES))
    assert 0.97 < near.min < 0.99999  # it is INT8, and it is not another network


LAYERS = b"""7767517
3 3
Input                    in0                      0 1 in0
Convolution              conv_0                   1 1 in0 1 0=2 1=1 5=1 6=6
ReLU                     relu_0                   1 1 1 out0
"""


def test_codes_scales_and_biases_stand_where_ncnn_reads_them() -> None:
    kernel = np.array([[1, -2, 0.5], [0.25, 0.125, 1]], np.float32)
    bias = np.array([3, 4], np.float32)
    data = bytes(4) + kernel.tobytes() + bias.tobytes()
    known = {kernel.tobytes(): 0.5}
    written, numbers = ncnn_int8._in_int8(list(ncnn_int8._layers(LAYERS.decode(), data)), known)
    assert written.decode().splitlines()[3].endswith("0=2 1=1 5=1 6=6 8=2")
    assert numbers[:4] == np.array([0x000D4B38], "<u4").tobytes()
    assert np.frombuffer(numbers[4:10], np.int8).tolist() == [64, -127, 32, 32, 16, 127]
    floats = np.frombuffer(numbers[12:], "<f4")  # the codes are filled up to a multiple of four
    np.testing.assert_allclose(floats, [3, 4, 127 / 2, 127, 1 / 0.5])


@pytest.mark.parametrize(
    ("layers", "data", "said"),
    [
        (LAYERS, bytes(40), "4 bytes of weights are left over"),
        (LAYERS.replace(b"ReLU  ", b"Magic "), bytes(36), "Magic is not known"),
        (LAYERS, b"half" + bytes(32), "no float32"),
    ],
)
def test_what_is_not_understood_is_refused(layers: bytes, data: bytes, said: str) -> None:
    with pytest.raises(EmbedgeError, match=f"E-TARGET.*({said})"):
        list(ncnn_int8._layers(layers.decode(), data))
