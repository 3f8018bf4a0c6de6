"""The INT8 graphs for TensorRT: our own rules, and NVIDIA's parser and builder where installed."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from small_face import embed

from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import EmbedgeError
from embedge.export.engines.tensorrt.float_weights import integer_weights
from embedge.export.engines.tensorrt.rules import lower_opset, require_tensorrt
from embedge.export.graph.canonical import canonical
from embedge.export.graph.surgery import Graph
from embedge.export.int8.placement import Target
from embedge.export.int8.qdq import qdq_from_onnx


@pytest.fixture(scope="module", params=["trt", "trt8"])
def trt_file(
    request: pytest.FixtureRequest,
    student_file: Path,
    pictures: NDArray[np.uint8],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp(request.param) / "student.int8-trt.onnx"
    qdq_from_onnx(student_file, pictures, path, target=request.param)
    return path


def test_it_agrees_with_float(
    trt_file: Path, student_file: Path, pictures: NDArray[np.uint8]
) -> None:
    found = cosines_of(embed(student_file, pictures), embed(trt_file, pictures))
    assert found.mean > 0.999
    assert found.min > 0.997


def test_zero_points_are_zero_and_biases_are_float(trt_file: Path) -> None:
    graph = Graph.read(trt_file)
    for node in graph.nodes:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            zero = graph.constants[node.input[2]]
            assert zero.dtype == np.int8
            assert not zero.any()
        if node.op_type == "Conv":
            assert graph.constants[node.input[2]].dtype == np.float32
            assert graph.producer(node.input[1]).op_type == "DequantizeLinear"


def test_tensorrt_8_gets_fp32_weights_with_a_q_and_a_dq(
    student_file: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    targets: tuple[Target, ...] = ("trt", "trt8")
    paths = {target: tmp_path / f"{target}.onnx" for target in targets}
    for target, path in paths.items():
        qdq_from_onnx(student_file, pictures, path, target=target)
    graphs = {target: Graph.read(path) for target, path in paths.items()}
    assert len(integer_weights(graphs["trt"])) > 5
    assert integer_weights(graphs["trt8"]) == []
    weights = {value.dtype for value in graphs["trt8"].constants.values() if value.ndim == 4}
    assert weights == {np.dtype(np.float32)}
    both = [embed(path, pictures) for path in paths.values()]
    assert cosines_of(*both).min > 0.999999


def test_only_the_skip_branch_of_an_addition_is_quantised(trt_file: Path) -> None:
    graph = Graph.read(trt_file)
    residual = [n for n in graph.nodes if n.op_type == "Add" and n.input[1] not in graph.constants]
    (addition,) = [n for n in residual if graph.producer(n.input[1]) is not None]
    makers = sorted(graph.producer(name).op_type for name in addition.input)
    assert makers == ["Conv", "DequantizeLinear"]


def test_prelu_is_kept_for_tensorrt_to_fuse(trt_file: Path) -> None:
    assert [n.op_type for n in Graph.read(trt_file).nodes].count("PRelu") == 4


def test_the_graph_for_the_cpu_is_refused_before_any_builder(
    student_file: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    qdq_from_onnx(student_file, pictures, tmp_path / "cpu.onnx")
    with pytest.raises(EmbedgeError, match=r"E-TRT-GRAPH.*uint8"):
        require_tensorrt(onnx.load(tmp_path / "cpu.onnx"))


def test_a_zero_point_is_refused(trt_file: Path) -> None:
    graph = Graph.read(trt_file)
    node = next(n for n in graph.nodes if n.op_type == "QuantizeLinear")
    graph.constants[node.input[2]] = np.asarray(3, np.int8)
    with pytest.raises(EmbedgeError, match=r"E-TRT-GRAPH.*zero point"):
        require_tensorrt(graph.to_model())


def test_a_newer_opset_is_lowered_for_tensorrt_8(
    tmp_path: Path, student_file: Path, pictures: NDArray[np.uint8]
) -> None:
    graph = canonical(Graph.read(student_file))
    graph.opset = 20
    graph.write(tmp_path / "new.onnx")
    qdq_from_onnx(tmp_path / "new.onnx", pictures, tmp_path / "q.onnx", target="trt8")
    assert Graph.read(tmp_path / "q.onnx").opset == 17


def test_an_operator_that_changed_its_meaning_is_not_lowered(student_file: Path) -> None:
    graph = canonical(Graph.read(student_file))
    graph.opset = 20
    graph.emit("ReduceMean", ["embedding"], hint="mean")
    with pytest.raises(EmbedgeError, match=r"E-OPSET.*ReduceMean"):
        lower_opset(graph, 17)


def test_nvidias_parser_and_builder_take_it(trt_file: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx")
    parsed, message, size = parse_and_build(trt, trt_file)
    assert parsed, message
    assert size > 0


def test_nvidias_parser_refuses_what_our_rules_refuse(
    student_file: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx")
    qdq_from_onnx(student_file, pictures, tmp_path / "cpu.onnx")
    parsed, message, _ = parse_and_build(trt, tmp_path / "cpu.onnx")
    assert not parsed
    assert "zero point" in message


def parse_and_build(trt: Any, path: Path) -> tuple[bool, str, int]:
    logger = trt.Logger(trt.Logger.INTERNAL_ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(path.read_bytes()):
        return False, "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors)), 0
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape("image", (1, 3, 112, 112), (1, 3, 112, 112), (8, 3, 112, 112))
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    return True, "", engine.nbytes if engine is not None else 0
