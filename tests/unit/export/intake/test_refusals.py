"""What cannot be taken in is one error, before pictures are read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_face import CONTRACT, small_face, smooth_pictures

from embedge.errors import EmbedgeError
from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims, looked_at, taken_in
from embedge.export.student import onnx_from_student

ASKED = Claims(Stated((127.5,), (127.5,), "RGB"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "base.onnx"
    onnx_from_student(small_face(), CONTRACT, path, lower=False)
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    return path


def ending(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> onnx.ModelProto:
    """Its embedding goes through these; the last one's output leaves."""
    model.graph.node.extend(nodes)
    del model.graph.output[:]
    name = nodes[-1].output[0]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return model


@pytest.mark.parametrize("kind", ["INT8", "STRING", "BOOL", "sequence"])
def test_an_output_that_is_no_row_of_floats(base: Path, tmp_path: Path, kind: str) -> None:
    model = onnx.load(base)
    out = model.graph.output[0].name
    if kind == "sequence":
        ending(model, helper.make_node("SequenceConstruct", [out], ["end"]))
        (end,) = model.graph.output
        end.CopyFrom(helper.make_tensor_sequence_value_info("end", TensorProto.FLOAT, None))
    else:
        number = TensorProto.DataType.Value(kind)
        ending(model, helper.make_node("Cast", [out], ["end"], to=number))
        model.graph.output[0].type.tensor_type.elem_type = number
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(EmbedgeError, match=r"E-OUTPUT.*an embedding is a tensor of floats"):
        looked_at(tmp_path / "m.onnx", ASKED)


@pytest.mark.parametrize(
    ("key", "value"),
    [("offset", "-5"), ("length", "-1"), ("offset", "junk"), ("location", "w\0.bin")],
)
def test_external_data_that_says_nonsense(base: Path, tmp_path: Path, key: str, value: str) -> None:
    model, facts = onnx.load(base), {"location": "w.bin", key: value}
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for name, told in facts.items():
        tensor.external_data.add(key=name, value=told)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "w.bin").write_bytes(bytes(1 << 20))
    with pytest.raises(EmbedgeError, match="E-EXTERNAL-DATA"):
        looked_at(tmp_path / "m.onnx", replace(ASKED, weights=tmp_path))


def test_a_batch_that_no_memory_holds(base: Path, tmp_path: Path) -> None:
    model = onnx.load(base)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1 << 30
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(EmbedgeError, match=r"takes 1073741824 pictures at once"):
        looked_at(tmp_path / "m.onnx", ASKED)


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_rows_whose_lengths_have_no_square(base: Path, tmp_path: Path, factor: float) -> None:
    model = onnx.load(base)
    out = model.graph.output[0].name
    model.graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    onnx.save(ending(model, helper.make_node("Mul", [out, "factor"], ["end"])), tmp_path / "m.onnx")
    with pytest.raises(EmbedgeError, match=r"the embeddings have lengths of"):
        taken_in(tmp_path / "m.onnx", smooth_pictures(8), ASKED)


def test_what_black_and_white_cannot_tell_is_not_held_against_it(
    base: Path, tmp_path: Path
) -> None:
    """Each picture is made even by the network itself, so that all flat ones are alike."""
    model = onnx.load(base)
    entry, first = model.graph.input[0].name, model.graph.node
    for name, value in (("g", np.ones(3)), ("b", np.zeros(3))):
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    for node in first:
        node.input[:] = ["even" if name == entry else name for name in node.input]
    first.insert(0, helper.make_node("InstanceNormalization", [entry, "g", "b"], ["even"]))
    onnx.save(model, tmp_path / "m.onnx")
    assert taken_in(tmp_path / "m.onnx", smooth_pictures(8), ASKED).feeding.name == "rgb-scaled"


@pytest.mark.parametrize(
    ("shape", "remedy"), [([1, 112, 112, 3], "Leave --layout out"), ([1, 3, "h", "w"], "one size")]
)
def test_a_layout_that_is_not_its_own_is_not_blamed_on_its_size(
    base: Path, tmp_path: Path, shape: list[int | str], remedy: str
) -> None:
    model = onnx.load(base)
    entry = model.graph.input[0]
    entry.CopyFrom(helper.make_tensor_value_info(entry.name, TensorProto.FLOAT, shape))
    onnx.save(model, tmp_path / "m.onnx")
    stated = replace(ASKED.stated, layout="NCHW" if shape[-1] == 3 else None)
    with pytest.raises(EmbedgeError, match=f"E-NOT-QUANTISABLE.*{remedy}"):
        looked_at(tmp_path / "m.onnx", replace(ASKED, stated=stated))
