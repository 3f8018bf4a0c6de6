"""ONNX teachers: how they want to be fed, read from the file and confirmed on faces."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from embedge.errors import EmbedgeError
from embedge.export.graph.running import stamp
from embedge.export.graph.surgery import Graph
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.preprocessing import FEEDINGS
from embedge.train.teachers import OnnxTeacher
from embedge.train.teachers.onnx_teacher import confirm_preprocessing


def encoder(path: Path, *, inside: bool = False) -> Path:
    """Mean colours of a 4×4 grid through a steep tanh: pixels of 0 … 255 saturate it.

    `inside` subtracts and scales in the graph, as models from MXNet do.
    """
    nodes, image = [], "data"
    constants = {"steep": np.float32(3.0)}
    if inside:
        constants |= {"centre": np.float32(127.5), "step": np.float32(1 / 127.5)}
        nodes += [
            helper.make_node("Sub", ["data", "centre"], ["minus"]),
            helper.make_node("Mul", ["minus", "step"], ["scaled"]),
        ]
        image = "scaled"
    nodes += [
        helper.make_node("AveragePool", [image], ["grid"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Mul", ["grid", "steep"], ["loud"]),
        helper.make_node("Tanh", ["loud"], ["bounded"]),
        helper.make_node("Flatten", ["bounded"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 48])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return path


@pytest.fixture(scope="module")
def people() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(8), 5)
    patches = rng.integers(20, 235, (8, 4, 4, 3)).repeat(28, 1).repeat(28, 2)[labels]
    return (patches + rng.integers(-20, 20, patches.shape)).clip(0, 255).astype(np.uint8), labels


@pytest.mark.parametrize(("inside", "expected"), [(False, "rgb-scaled"), (True, "rgb-plain")])
def test_the_convention_is_read_and_confirmed(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray], inside: bool, expected: str
) -> None:
    teacher = OnnxTeacher(encoder(tmp_path / "m.onnx", inside=inside))
    assert teacher.preprocessing == expected
    rates = confirm_preprocessing(teacher, *people)
    assert rates.keys() == FEEDINGS.keys()
    assert rates[expected] == min(rates.values()) < 0.05


def test_feeding_it_wrongly_is_found_out(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    teacher = OnnxTeacher(encoder(tmp_path / "m.onnx"), "rgb-plain")
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-INPUT.*fed rgb-plain.*fed ...-scaled"):
        confirm_preprocessing(teacher, *people)


def test_it_embeds_what_the_graph_says(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    teacher = OnnxTeacher(encoder(tmp_path / "m.onnx"))
    images = people[0][:3]
    scaled = (images.astype(np.float64) - 127.5) / 127.5
    grid = scaled.reshape(3, 4, 28, 4, 28, 3).mean((2, 4)).transpose(0, 3, 1, 2)
    assert teacher.features(images) == pytest.approx(np.tanh(3 * grid).reshape(3, 48), abs=1e-5)
    assert teacher.dim == 48


def test_the_space_depends_on_file_and_preprocessing(tmp_path: Path) -> None:
    path = encoder(tmp_path / "m.onnx")
    spaces = {OnnxTeacher(path, name).space for name in FEEDINGS}
    assert len(spaces) == len(FEEDINGS)
    assert OnnxTeacher(path).space == OnnxTeacher(path, "rgb-scaled").space


def test_a_file_of_ours_is_fed_as_it_says_whether_that_has_a_name_or_not(
    tmp_path: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    graph = Graph.read(encoder(tmp_path / "m.onnx"))
    stamp(graph, EmbeddingContract("s", "m", 48, mean=127.5, std=128.0))
    graph.write(tmp_path / "ours.onnx")
    teacher = OnnxTeacher(tmp_path / "ours.onnx")
    assert (teacher.contract.mean, teacher.contract.std) == (127.5, 128.0)
    assert confirm_preprocessing(teacher, *people)[teacher.preprocessing] < 0.05
    again = OnnxTeacher(tmp_path / "ours.onnx", teacher.preprocessing)
    assert (again.space, again.digest) == (teacher.space, teacher.digest)


def test_what_only_the_intake_takes_in_is_sent_there(tmp_path: Path) -> None:
    model = onnx.load(encoder(tmp_path / "m.onnx"))
    turn = helper.make_node("Transpose", ["planes_last"], ["data"], perm=[0, 3, 1, 2])
    model.graph.node.insert(0, turn)
    shape: list[int | str] = ["n", 112, 112, 3]
    entry = helper.make_tensor_value_info("planes_last", TensorProto.FLOAT, shape)
    model.graph.input[0].CopyFrom(entry)
    onnx.save(model, tmp_path / "nhwc.onnx")
    with pytest.raises(EmbedgeError, match=r"E-CONTRACT.*embedge bundle first.*fp32 file"):
        OnnxTeacher(tmp_path / "nhwc.onnx")
