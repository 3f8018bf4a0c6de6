"""What torch's newer exporter writes at opset 18 to 23 comes to 17, and answers alike."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from embedge.errors import EmbedgeError
from embedge.export.intake.models import OPSET, in_opset

SHAPE = (2, 4, 6, 6)
AXES = {"axes": np.array([2, 3], np.int64)}
GROUPS = {"g": np.array([1, 2, 3, 4], np.float32), "b": np.array([0, 1, 0, 1], np.float32)}
SIZES: dict[str, np.ndarray] = {
    "none": np.array([], np.float32),
    "sizes": np.array([2, 4, 3, 3], np.int64),
}
REDUCED = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")


def model_of(opset: int, op: str, constants: dict[str, np.ndarray], **said: Any) -> ModelProto:
    outputs = ["y"] if op != "Split" else ["y", "z"]
    shape = SHAPE if op == "GroupNormalization" else None  # which onnx does not work out
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in outputs]
    inputs = ["x", *constants] if op != "Resize" else ["x", "none", "none", "sizes"]
    graph = helper.make_graph(
        [helper.make_node(op, inputs, outputs, name="own", **said)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        ends,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return onnx.shape_inference.infer_shapes(model)


CASES = [
    *((18, f"Reduce{kind}", AXES, {"noop_with_empty_axes": 0}) for kind in REDUCED),
    (20, "ReduceMax", AXES, {"keepdims": 0}),
    (18, "ReduceMean", {}, {"noop_with_empty_axes": 0}),
    (18, "Split", {}, {"num_outputs": 2, "axis": 1}),
    (19, "AveragePool", {}, {"kernel_shape": [2, 2], "dilations": [1, 1]}),
    (19, "Resize", SIZES, {"antialias": 0, "keep_aspect_ratio_policy": "stretch"}),
    (20, "Gelu", {}, {"approximate": "tanh"}),
    (22, "Mish", {}, {}),
    (21, "GroupNormalization", GROUPS, {"num_groups": 2}),
]


@pytest.mark.parametrize(("opset", "op", "constants", "said"), CASES)
def test_it_answers_as_it_did(
    opset: int, op: str, constants: dict[str, Any], said: dict[str, Any]
) -> None:
    model = model_of(opset, op, constants, **said)
    onnx.checker.check_model(model, full_check=True)
    x = np.random.default_rng(0).uniform(0.1, 1, SHAPE).astype(np.float32)
    expected = ReferenceEvaluator(model).run(None, {"x": x})
    found = in_opset(model)
    assert found.opset_import[0].version == OPSET
    for before, after in zip(expected, ReferenceEvaluator(found).run(None, {"x": x}), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-5)


def test_what_17_cannot_say_is_refused_with_a_remedy_that_helps() -> None:
    model = model_of(19, "Resize", SIZES, mode="linear", antialias=1)
    with pytest.raises(EmbedgeError, match=r"E-OPSET.*antialias.*dynamo=False"):
        in_opset(model)
