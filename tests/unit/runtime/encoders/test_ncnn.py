"""ncnn answers as ONNX Runtime does, for each thread alone, and refuses what is not the encoder."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from shared_encoder import answers_each_thread_alone, closes_under_running_calls
from small_face import small_face, smooth_pictures

from embedge.errors import EmbedgeError
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import OrtEncoder

pytest.importorskip("ncnn", reason="pip install 'embedge[ncnn]'")
pytest.importorskip("pnnx", reason="pip install 'embedge[ncnn]'")

from embedge.export.targets.ncnn import ncnn_from_onnx
from embedge.runtime.encoders.ncnn import NcnnEncoder

PICTURES = smooth_pictures(12)
CONTRACT = EmbeddingContract("s", "m", 16)
Files = tuple[bytes, bytes, bytes]


@pytest.fixture(scope="module", params=["prelu", "relu6"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The ONNX file, and ncnn's two."""
    path = tmp_path_factory.mktemp("ncnn") / "s.onnx"
    onnx_from_student(small_face(request.param), CONTRACT, path)
    made = ncnn_from_onnx(path.read_bytes(), 112, half=False).files
    return path.read_bytes(), made[".ncnn.param"], made[".ncnn.bin"]


@pytest.fixture
def encoder(files: Files) -> Iterator[NcnnEncoder]:
    with NcnnEncoder(*files[1:], CONTRACT, threads=1) as opened:
        yield opened


def test_embeddings_equal_those_of_onnxruntime(files: Files, encoder: NcnnEncoder) -> None:
    with OrtEncoder(files[0]) as expected:
        np.testing.assert_allclose(encoder.embed(PICTURES), expected.embed(PICTURES), atol=1e-4)
    assert encoder.provider == "ncnn CPU"


def test_half_is_half_as_large_and_nearly_the_same(files: Files, encoder: NcnnEncoder) -> None:
    half = ncnn_from_onnx(files[0], 112, half=True).files
    assert len(half[".ncnn.bin"]) < 0.62 * len(files[2])
    with NcnnEncoder(half[".ncnn.param"], half[".ncnn.bin"], CONTRACT, half=True) as small:
        cosine = np.sum(small.embed(PICTURES) * encoder.embed(PICTURES), axis=1)
    assert 0.999 < cosine.min() < 1 + 1e-6


def test_threads_get_their_own_answers(encoder: NcnnEncoder) -> None:
    answers_each_thread_alone(encoder.embed, [PICTURES[i : i + 1 + i % 3] for i in range(8)])


def test_it_may_be_closed_while_others_use_it(encoder: NcnnEncoder) -> None:
    closes_under_running_calls(lambda: encoder.embed(PICTURES[:2]), encoder.close)


FORKING = """
import os, signal, sys
import numpy as np
from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ncnn import NcnnEncoder

parts = [open(name, "rb").read() for name in sys.argv[1:3]]
made = lambda threads: NcnnEncoder(*parts, EmbeddingContract("s", "m", 16), threads=threads)
crops = np.zeros((1, 112, 112, 3), np.uint8)
several, one = made(2), made(1)
right = one.embed(crops)
several.embed(crops)
if os.fork() == 0:
    signal.alarm(20)
    try:
        several.embed(crops)
    except EmbedgeError as error:
        print(error.code)
    print([np.allclose(some.embed(crops), right, atol=1e-5) for some in (one, made(2))], flush=True)
    os._exit(0)
sys.exit(os.wait()[1])
"""


def test_the_child_of_a_fork_is_answered_or_told(files: Files, tmp_path: Path) -> None:
    """Several threads of the parent are not there, and OpenMP would wait for them for ever."""
    names = [tmp_path / "param", tmp_path / "bin"]
    for name, content in zip(names, files[1:]):
        name.write_bytes(content)
    command = [sys.executable, "-c", FORKING, *map(str, names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "E-FORKED\n[True, True]\n", done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("fault", ["layers", "weights", "dimension"])
def test_what_is_not_the_encoder_is_refused(files: Files, fault: str) -> None:
    _, layers, weights = files
    contract = CONTRACT
    if fault == "layers":
        layers = b"not a network\n"
    elif fault == "weights":
        weights = weights[: len(weights) // 2]
    else:
        contract = EmbeddingContract("s", "m", 17)
    with pytest.raises(EmbedgeError, match="E-GRAPH"):
        NcnnEncoder(layers, weights, contract)
