"""LiteRT answers as ONNX Runtime does, for each thread alone; anything else is refused."""

from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from shared_encoder import answers_each_thread_alone, closes_under_running_calls
from small_face import small_face, smooth_pictures

from embedge.errors import EmbedgeError
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import OrtEncoder

pytest.importorskip("ai_edge_litert", reason="pip install 'embedge[litert]'")

from embedge.export.targets.litert import litert_from_onnx
from embedge.runtime.encoders.litert import LiteRtEncoder

PICTURES = smooth_pictures(12)
CONTRACT = EmbeddingContract("s", "m", 16)
Files = tuple[bytes, bytes]


@pytest.fixture(scope="module", params=["prelu", "relu6"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The ONNX file, and LiteRT's."""
    path = tmp_path_factory.mktemp("litert") / "s.onnx"
    onnx_from_student(small_face(request.param), CONTRACT, path)
    return path.read_bytes(), litert_from_onnx(path.read_bytes(), half=False).files[".tflite"]


@pytest.fixture
def encoder(files: Files) -> Iterator[LiteRtEncoder]:
    with LiteRtEncoder(files[1], CONTRACT, threads=1) as opened:
        yield opened


def test_embeddings_equal_those_of_onnxruntime(files: Files, encoder: LiteRtEncoder) -> None:
    with OrtEncoder(files[0]) as expected:
        np.testing.assert_allclose(encoder.embed(PICTURES), expected.embed(PICTURES), atol=1e-4)
    assert encoder.provider == "LiteRT CPU"


def test_half_is_half_as_large_and_nearly_the_same(files: Files, encoder: LiteRtEncoder) -> None:
    half = litert_from_onnx(files[0], half=True).files[".tflite"]
    assert len(half) < 0.8 * len(files[1])  # the names of operators do not shrink
    with LiteRtEncoder(half, CONTRACT) as small:
        cosine = np.sum(small.embed(PICTURES) * encoder.embed(PICTURES), axis=1)
    assert 0.999 < cosine.min() < 1 + 1e-6


def test_threads_get_their_own_answers(encoder: LiteRtEncoder) -> None:
    answers_each_thread_alone(encoder.embed, [PICTURES[i : i + 1 + i % 3] for i in range(8)])


def test_it_may_be_closed_while_others_use_it(encoder: LiteRtEncoder) -> None:
    closes_under_running_calls(lambda: encoder.embed(PICTURES[:2]), encoder.close)


def test_what_is_not_the_encoder_is_refused(files: Files) -> None:
    for model, dim in ((b"not a network", 16), (files[1], 17)):
        with pytest.raises(EmbedgeError, match="E-GRAPH"):
            LiteRtEncoder(model, EmbeddingContract("s", "m", dim))


def test_an_operator_without_a_counterpart_is_named(files: Files) -> None:
    model = onnx.load_model_from_string(files[0])
    last = model.graph.output[0].name
    model.graph.node.append(onnx.helper.make_node("Erf", [last], ["end"], name="strange"))
    model.graph.output[0].name = "end"
    with pytest.raises(EmbedgeError, match=r"E-TARGET.*strange"):
        litert_from_onnx(model.SerializeToString(), half=False)
