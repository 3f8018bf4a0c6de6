import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from outside_files import ATTACKS
from shared_encoder import answers_each_thread_alone, closes_under_running_calls
from small_face import small_face, smooth_pictures

from embedge.errors import EmbedgeError
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.openvino import OpenVinoEncoder, compiled
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


def test_threads_get_their_own_answers(files: dict[str, Path]) -> None:
    with OpenVinoEncoder(files["fp32"], threads=1) as encoder:
        answers_each_thread_alone(encoder.embed, [PICTURES[i : i + 1 + i % 3] for i in range(8)])


CLOSED_ELSEWHERE = """
import faulthandler, os, signal, sys, threading
from embedge.runtime.encoders.openvino import OpenVinoEncoder

faulthandler.enable()  # its handlers have a stack of their own, as those of many services
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
encoder = OpenVinoEncoder(sys.argv[1])
closer = threading.Thread(target=encoder.close)
closer.start()
closer.join()
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_after_another_thread_closed_it_is_handled(files: dict[str, Path]) -> None:
    line = [sys.executable, "-c", CLOSED_ELSEWHERE, str(files["fp32"])]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_it_may_be_closed_while_others_use_it(files: dict[str, Path]) -> None:
    encoder = OpenVinoEncoder(files["fp32"], threads=1)
    closes_under_running_calls(lambda: encoder.embed(PICTURES[:2]), encoder.close)


def test_bytes_are_as_good_as_a_file_and_no_other_file_is_read(files: dict[str, Path]) -> None:
    with OpenVinoEncoder(files["fp32"].read_bytes()) as found, OrtEncoder(files["fp32"]) as same:
        np.testing.assert_allclose(found.embed(PICTURES), same.embed(PICTURES), atol=1e-5)
    for attack in ATTACKS.values():
        with pytest.raises(EmbedgeError, match="E-GRAPH"):
            compiled(attack())
