"""ExecuTorch answers as ONNX Runtime does, for each thread alone; anything else is refused."""

from collections.abc import Iterator

import numpy as np
import pytest
from shared_encoder import answers_each_thread_alone, closes_under_running_calls
from small_face import small_face, smooth_pictures

from embedge.errors import EmbedgeError
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import OrtEncoder

pytest.importorskip("executorch", reason="pip install 'embedge[executorch]'")

from embedge.export.targets.executorch import executorch_from_network
from embedge.runtime.encoders.executorch.encoder import ExecuTorchEncoder

PICTURES = smooth_pictures(12)
CONTRACT = EmbeddingContract("s", "m", 16)
Files = tuple[bytes, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The ONNX file, and ExecuTorch's."""
    path = tmp_path_factory.mktemp("executorch") / "s.onnx"
    network = small_face("prelu")
    onnx_from_student(network, CONTRACT, path)
    return path.read_bytes(), executorch_from_network(network, CONTRACT).files[".pte"]


@pytest.fixture
def encoder(files: Files) -> Iterator[ExecuTorchEncoder]:
    with ExecuTorchEncoder(files[1], CONTRACT, threads=1) as opened:
        yield opened


def test_embeddings_equal_those_of_onnxruntime(files: Files, encoder: ExecuTorchEncoder) -> None:
    with OrtEncoder(files[0]) as expected:
        np.testing.assert_allclose(encoder.embed(PICTURES), expected.embed(PICTURES), atol=1e-4)
    assert encoder.provider == "ExecuTorch CPU"


def test_pictures_in_another_layout_are_read_as_they_are(encoder: ExecuTorchEncoder) -> None:
    """The runtime takes strides of one picture for channels that lie last."""
    tensor = np.random.default_rng(0).normal(size=(2, 112, 112, 3)).astype(np.float32)
    turned = tensor.transpose(0, 3, 1, 2)
    expected = encoder._run(np.ascontiguousarray(turned))
    np.testing.assert_array_equal(encoder._run(turned), expected)


def test_threads_get_their_own_answers(encoder: ExecuTorchEncoder) -> None:
    answers_each_thread_alone(encoder.embed, [PICTURES[i : i + 1 + i % 3] for i in range(8)])


def test_it_may_be_closed_while_others_use_it(encoder: ExecuTorchEncoder) -> None:
    closes_under_running_calls(lambda: encoder.embed(PICTURES[:2]), encoder.close)


def test_threads_are_those_of_the_process(files: Files, encoder: ExecuTorchEncoder) -> None:
    """Another number waits until nobody runs on the pool; no number takes what there is."""
    expected = encoder.embed(PICTURES)
    with pytest.raises(EmbedgeError, match=r"E-THREADS.*runs on 1 threads.*not on 2"):
        ExecuTorchEncoder(files[1], CONTRACT, threads=2)
    with ExecuTorchEncoder(files[1], CONTRACT) as same:
        np.testing.assert_allclose(same.embed(PICTURES), expected, atol=1e-6)
    encoder.close()
    with ExecuTorchEncoder(files[1], CONTRACT, threads=2) as more:
        np.testing.assert_allclose(more.embed(PICTURES), expected, atol=1e-6)


@pytest.mark.parametrize("fault", ["no network", "half of it", "dimension", "size"])
def test_what_is_not_the_encoder_is_refused(files: Files, fault: str) -> None:
    model, contract = files[1], CONTRACT
    if fault == "no network":
        model = b"not a network\n" * 100
    elif fault == "half of it":
        model = model[: len(model) // 2]
    elif fault == "dimension":
        contract = EmbeddingContract("s", "m", 17)
    else:
        contract = EmbeddingContract("s", "m", 16, size=96)
    with pytest.raises(EmbedgeError, match="E-GRAPH"):
        ExecuTorchEncoder(model, contract, threads=1)
