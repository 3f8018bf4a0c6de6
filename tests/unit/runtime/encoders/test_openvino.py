from pathlib import Path

import numpy as np
import pytest
from small_face import small_face, smooth_pictures

from embedge.errors import EmbedgeError
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.openvino import OpenVinoEncoder
from embedge.runtime.encoders.ort import OrtEncoder

pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
PICTURES = smooth_pictures(12)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("openvino")
    files = {name: root / f"{name}.onnx" for name in ("fp32", "cpu", "trt")}
    onnx_from_student(small_face(), EmbeddingContract("s", "m", 16), files["fp32"])
    qdq_from_onnx(files["fp32"], PICTURES, files["cpu"], target="cpu")
    qdq_from_onnx(files["fp32"], PICTURES, files["trt"], target="trt")
    return files


def test_float_embeddings_equal_those_of_onnxruntime(files: dict[str, Path]) -> None:
    with OpenVinoEncoder(files["fp32"], threads=1) as found, OrtEncoder(files["fp32"]) as expected:
        np.testing.assert_allclose(found.embed(PICTURES), expected.embed(PICTURES), atol=1e-5)
        assert found.contract == expected.contract
        assert found.provider == "OpenVINO CPU"


@pytest.mark.parametrize("name", ["cpu", "trt"])
def test_int8_graphs_run(files: dict[str, Path], name: str) -> None:
    with OpenVinoEncoder(files[name]) as found, OrtEncoder(files["fp32"]) as expected:
        cosine = np.sum(found.embed(PICTURES) * expected.embed(PICTURES), axis=1)
    assert cosine.min() > 0.995


def test_a_closed_encoder_says_so(files: dict[str, Path]) -> None:
    encoder = OpenVinoEncoder(files["fp32"])
    encoder.close()
    with pytest.raises(EmbedgeError, match="E-CLOSED"):
        encoder.embed(PICTURES)
