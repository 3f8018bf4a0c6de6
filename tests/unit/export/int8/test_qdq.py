from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from small_face import SmallFace, embed, small_face

from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import EmbedgeError
from embedge.export.graph.surgery import Graph, attribute
from embedge.export.int8.placement import Target, wanted_tensors
from embedge.export.int8.qdq import calibrated_graph, qdq_from_onnx, quantised
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract


@pytest.fixture(scope="module")
def cpu_file(
    student_file: Path, pictures: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("int8") / "student.int8-cpu.onnx"
    qdq_from_onnx(student_file, pictures, path)
    return path


def fused_operators(path: Path, tmp_path: Path) -> Counter[str]:
    """What ONNX Runtime makes of a file."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)


def test_every_convolution_is_fused(cpu_file: Path, tmp_path: Path) -> None:
    operators = fused_operators(cpu_file, tmp_path)
    assert operators["QLinearConv"] == 6 + 1 + 3  # the stem in two parts, the pairs in four
    assert operators["Conv"] == 1  # what reads the whole map, in float
    assert operators["PRelu"] == 0
    assert operators["Gemm"] == 1
    assert operators["QLinearAdd"] == 1 + 2
    assert operators["Max"] == operators["QLinearMul"] == 4 + 1


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_relu_melts_into_the_convolution(
    contract: EmbeddingContract, pictures: NDArray[np.uint8], tmp_path: Path, activation: str
) -> None:
    onnx_from_student(small_face(activation), contract, tmp_path / "s.onnx")
    qdq_from_onnx(tmp_path / "s.onnx", pictures, tmp_path / "q.onnx")
    operators = fused_operators(tmp_path / "q.onnx", tmp_path)
    assert operators["QLinearConv"] == 10
    assert operators["Conv"] == 1  # what reads the whole map, in float
    assert operators["Relu"] == operators["Clip"] == 0
    assert operators["QLinearConcat"] == 1
    assert operators["Add"] == 1  # the half grey level of the picture; all others are in codes


@pytest.fixture(scope="module")
def hard_swish(
    net: SmallFace, contract: EmbeddingContract, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("swish") / "s.onnx"
    onnx_from_student(net, contract, path, lower=False)
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "PRelu":
            node.op_type = "HardSwish"
            del node.input[1:]
    onnx.save(model, path)
    return path


def test_hard_swish_is_an_addition_and_a_product_of_codes(
    hard_swish: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    """In float it would take longer than what INT8 saves."""
    qdq_from_onnx(hard_swish, pictures, tmp_path / "q.onnx")
    operators = fused_operators(tmp_path / "q.onnx", tmp_path)
    assert operators["HardSwish"] == operators["HardSigmoid"] == operators["Mul"] == 0
    assert operators["QLinearMul"] == 4 + 1  # one for each, the second being of two parts
    assert operators["Add"] <= 1  # the half grey level of the picture
    parity = cosines_of(embed(hard_swish, pictures), embed(tmp_path / "q.onnx", pictures))
    assert parity.min > 0.98


def test_what_hard_swish_ignores_takes_no_codes(
    hard_swish: Path, pictures: NDArray[np.uint8]
) -> None:
    calibrated = calibrated_graph(hard_swish, pictures, "cpu")
    wanted = wanted_tensors(calibrated.graph, "cpu", kept=frozenset(calibrated.last))
    found = [node.input[0] for node in wanted.nodes if node.op_type == "HardSwish"]
    assert len(found) == 4 + 1  # the second is of two parts
    for name in found:
        calibrated.counts[name].collect(np.array([[-9, 8]], np.float32))
    ranges = calibrated.ranges(wanted, "max")
    assert {(one.low, one.high) for one in map(ranges.get, map(wanted.root, found))} == {(-3, 8)}


@pytest.mark.parametrize("target", ["cpu", "trt"])
def test_the_last_layers_stay_in_float(
    target: Target, pictures: NDArray[np.uint8], contract: EmbeddingContract, tmp_path: Path
) -> None:
    """The product that writes the embedding has weights that are not rounded."""
    onnx_from_student(small_face(), contract, tmp_path / "s.onnx")
    calibrated = calibrated_graph(tmp_path / "s.onnx", pictures, target)
    assert calibrated.graph.producer(calibrated.graph.outputs[0].name).name in calibrated.last
    graph = quantised(calibrated, pictures, "mse")
    gemm = next(node for node in graph.nodes if node.op_type == "Gemm")
    assert graph.constants[gemm.input[1]].dtype == np.float32


def test_int8_agrees_with_float(
    student_file: Path, cpu_file: Path, pictures: NDArray[np.uint8]
) -> None:
    parity = cosines_of(embed(student_file, pictures), embed(cpu_file, pictures))
    assert parity.mean > 0.99
    assert parity.min > 0.97


def test_activations_are_u8_and_weights_are_s8_per_channel(cpu_file: Path) -> None:
    graph = Graph.read(cpu_file)
    for node in graph.nodes:
        if node.op_type == "QuantizeLinear":
            assert graph.constants[node.input[2]].dtype == np.uint8
    for conv in (node for node in graph.nodes if node.op_type == "Conv"):
        weight = graph.producer(conv.input[1])
        assert graph.constants[weight.input[0]].dtype == np.int8
        assert graph.constants[weight.input[1]].shape == graph.constants[weight.input[0]].shape[:1]
        assert attribute(weight, "axis") == 0
        assert graph.constants[graph.producer(conv.input[2]).input[0]].dtype == np.int32


def test_the_contract_survives(student_file: Path, cpu_file: Path) -> None:
    assert Graph.read(cpu_file).metadata == Graph.read(student_file).metadata


def test_pictures_of_another_kind_are_refused(
    student_file: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    with pytest.raises(EmbedgeError, match="E-CALIBRATION"):
        qdq_from_onnx(student_file, pictures.astype(np.float32), tmp_path / "q.onnx")


def test_the_portable_graph_has_plain_operators_between_quantisers(
    student_file: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = tmp_path / "q.onnx"
    qdq_from_onnx(student_file, pictures, path, target="qdq")
    graph = Graph.read(path)
    prelus = [node for node in graph.nodes if node.op_type == "PRelu"]
    assert len(prelus) == 4
    for node in prelus:
        assert [graph.producer(name).op_type for name in node.input] == ["DequantizeLinear"] * 2
        assert graph.only_consumer(node.output[0]).op_type == "QuantizeLinear"
    zeros = {
        graph.constants[n.input[2]].dtype for n in graph.nodes if n.op_type == "QuantizeLinear"
    }
    assert zeros == {np.dtype(np.uint8)}
    assert not {"Max", "Concat"} & {node.op_type for node in graph.nodes}
    assert cosines_of(embed(student_file, pictures), embed(path, pictures)).min > 0.99
