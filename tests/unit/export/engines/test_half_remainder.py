from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from tiny_graphs import graph_file

from embedge.errors import EmbedgeError
from embedge.export.engines.half_remainder import half_remainder_from_qdq
from embedge.runtime.encoders.ort import OrtEncoder


@pytest.fixture
def graphs(tmp_path: Path) -> tuple[Path, Path]:
    before = graph_file(tmp_path / "int8.onnx", "int8", opset=17)
    after = tmp_path / "half.onnx"
    half_remainder_from_qdq(before, after)
    return before, after


def test_embeddings_stay_where_they_were(graphs: tuple[Path, Path]) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (16, 112, 112, 3), np.uint8)
    with OrtEncoder(graphs[0]) as before, OrtEncoder(graphs[1]) as after:
        cosine = (before.embed(faces) * after.embed(faces)).sum(1)
    assert cosine.min() > 0.9998


def test_integers_stay_and_every_float_is_half(graphs: tuple[Path, Path]) -> None:
    before, after = map(onnx.load, graphs)
    types = {tensor.data_type for tensor in after.graph.initializer}
    assert TensorProto.FLOAT not in types
    assert types == {TensorProto.FLOAT16, TensorProto.INT8}
    whole = {t.name: t for t in before.graph.initializer if t.data_type == TensorProto.INT8}
    same = {t.name: t for t in after.graph.initializer if t.data_type == TensorProto.INT8}
    assert whole.keys() == same.keys()
    assert all(whole[name].raw_data == same[name].raw_data for name in whole)


def test_the_door_stays_float(graphs: tuple[Path, Path]) -> None:
    graph = onnx.load(graphs[1]).graph
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT


def test_a_tiny_scale_does_not_become_zero(tmp_path: Path) -> None:
    path = graph_file(tmp_path / "int8.onnx", "int8", opset=17)
    model = onnx.load(path)
    node = next(n for n in model.graph.node if n.op_type == "QuantizeLinear")
    (scale,) = (t for t in model.graph.initializer if t.name == node.input[1])
    scale.CopyFrom(numpy_helper.from_array(np.asarray(1e-9, np.float32), scale.name))
    onnx.save(model, path)
    half_remainder_from_qdq(path, tmp_path / "half.onnx")
    after = {t.name: t for t in onnx.load(tmp_path / "half.onnx").graph.initializer}
    assert 0 < numpy_helper.to_array(after[scale.name]) < 1e-7


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = graph_file(tmp_path / "int8.onnx", "int8", opset=17)
    model = onnx.load(path)
    (wide, *_) = (t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT)
    values = numpy_helper.to_array(wide).copy()
    values.flat[0] = 1e6
    wide.CopyFrom(numpy_helper.from_array(values, wide.name))
    onnx.save(model, path)
    with pytest.raises(EmbedgeError, match=rf"{wide.name} does not fit") as told:
        half_remainder_from_qdq(path, tmp_path / "half.onnx")
    assert told.value.code == "E-HALF"
    assert not (tmp_path / "half.onnx").exists()


def test_operators_that_may_change_meaning_are_refused(tmp_path: Path) -> None:
    path = graph_file(tmp_path / "int8.onnx", "int8", opset=17)
    model = onnx.load(path)
    next(n for n in model.graph.node if n.op_type == "Identity").op_type = "Softmax"
    onnx.save(model, path)
    with pytest.raises(EmbedgeError, match="Softmax"):
        half_remainder_from_qdq(path, tmp_path / "half.onnx")
