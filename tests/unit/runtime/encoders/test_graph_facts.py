"""The facts read from bytes are the ones the onnx package reads."""

from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tiny_bundles import tiny_contract, tiny_onnx

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.graph_facts import graph_facts

MODEL = tiny_onnx(tiny_contract(8))


def model_of(nodes: list, tensors: list) -> bytes:
    graph = helper.make_graph(nodes, "g", [], [], tensors)
    return helper.make_model(graph).SerializeToString()


def test_operators():
    facts = graph_facts(MODEL)
    assert facts.operators == {"Conv", "Flatten", "Gemm"}
    assert not facts.half
    assert not facts.external_data


def test_half_precision_is_found_in_initialisers_constants_and_branches():
    half = numpy_helper.from_array(np.float16(1), "x")
    constant = helper.make_node("Constant", [], ["y"], value=half)
    branch = helper.make_graph([constant], "b", [], [])
    test = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    for model in (model_of([], [half]), model_of([constant], []), model_of([test], [])):
        assert graph_facts(model).half
    assert graph_facts(model_of([test], [])).operators == {"If", "Constant"}


def test_a_quantised_graph_is_recognised():
    dequantise = helper.make_node("DequantizeLinear", ["a", "b"], ["c"])
    half = numpy_helper.from_array(np.float16(1), "x")
    assert graph_facts(model_of([dequantise], [half])).quantised
    assert graph_facts(model_of([dequantise], [])).quantised
    assert not graph_facts(model_of([], [half])).quantised


def test_external_data_is_found():
    tensor = TensorProto(name="x", data_type=1, data_location=TensorProto.EXTERNAL)
    assert graph_facts(model_of([], [tensor])).external_data
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    assert graph_facts(model_of([constant], [])).external_data


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(MODEL) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_read_or_refused(position, flip):
    broken = bytearray(MODEL[:4000])
    broken[position % 4000] ^= flip
    with suppress(EmbedgeError):  # any other exception fails the test
        assert graph_facts(bytes(broken)).operators is not None


def test_agrees_with_the_onnx_package():
    proto = onnx.load_from_string(MODEL)
    assert graph_facts(MODEL).operators == {node.op_type for node in proto.graph.node}


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x08\x07", MODEL[:-1]])
def test_what_is_no_model_is_refused(data):
    with pytest.raises(EmbedgeError, match="E-GRAPH"):
        graph_facts(data)
