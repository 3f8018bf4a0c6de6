"""Two really trained foreign networks: INT8 on few pictures stays near float, and fuses whole."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from embedge.calibration.evaluation.judge import cosines_of
from embedge.export.graph.running import embeddings_of
from embedge.export.int8.calibration_set import picture_files
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims, taken_in
from embedge.runtime.encoders import normalised
from embedge.runtime.picture.images import rgb_from_picture

pytestmark = pytest.mark.real
# (mean, lowest) cosine to float on pictures that did not calibrate, and convolutions in float: the
# cheap ones at the ends, of which a depthwise one may be several parts
BOUNDS = {"w600k_mbf": (0.99, 0.97, 9), "insightface_y1": (0.993, 0.97, 5)}


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_int8_of_a_trained_network(real: Path, tmp_path: Path, name: str) -> None:
    names = picture_files(real / "lfw-dev")
    picked = np.random.default_rng(3).permutation(len(names))[:44]
    faces = np.stack([rgb_from_picture(real / "lfw-dev" / names[i]) for i in picked])
    model, out = real / "models" / f"{name}.onnx", tmp_path / "int8.onnx"
    taken = taken_in(model, faces[:8], Claims(Stated((127.5,), (127.5,), "RGB")))
    qdq_from_onnx(taken.graph, faces[:28], out)
    found = cosines_of(normalised(taken.expected(faces[28:])), embeddings_of(out, faces[28:]))
    mean, lowest, in_float = BOUNDS[name]
    assert found.mean >= mean
    assert found.min >= lowest
    operators = _optimised(out, tmp_path)
    assert operators["Conv"] + operators["FusedConv"] <= in_float
    assert operators["PRelu"] == 0
    assert operators["QLinearConv"] >= 45


def _optimised(path: Path, folder: Path) -> Counter[str]:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node)
