"""The facts are the ones the onnx package reads, and the bytes have one way to be written."""

import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from outside_files import ATTACKS, SECRET, SECRET_VALUES, compiled_context
from tiny_bundles import tiny_contract, tiny_onnx

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.sessions import _PARTS, Wire, graph_facts, ort_session

MODEL = tiny_onnx(tiny_contract(8))


def model_of(nodes: list, tensors: list) -> bytes:
    graph = helper.make_graph(nodes, "g", [], [], tensors)
    return helper.make_model(graph).SerializeToString()


def test_operators() -> None:
    facts = graph_facts(MODEL)
    assert facts.operators == {"Conv", "Flatten", "Gemm"}
    assert not facts.half
    assert not facts.external_data


def test_half_precision_is_found_in_initialisers_constants_and_branches() -> None:
    half = numpy_helper.from_array(np.array(1, np.float16), "x")
    constant = helper.make_node("Constant", [], ["y"], value=half)
    branch = helper.make_graph([constant], "b", [], [])
    test = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    for model in (model_of([], [half]), model_of([constant], []), model_of([test], [])):
        assert graph_facts(model).half
    assert graph_facts(model_of([test], [])).operators == {"If", "Constant"}


def test_a_quantised_graph_is_recognised() -> None:
    dequantise = helper.make_node("DequantizeLinear", ["a", "b"], ["c"])
    half = numpy_helper.from_array(np.array(1, np.float16), "x")
    assert graph_facts(model_of([dequantise], [half])).quantised
    assert graph_facts(model_of([dequantise], [])).quantised
    assert not graph_facts(model_of([], [half])).quantised


def test_external_data_is_found() -> None:
    tensor = TensorProto(name="x", data_type=1, data_location=TensorProto.EXTERNAL)
    assert graph_facts(model_of([], [tensor])).external_data
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    assert graph_facts(model_of([constant], [])).external_data


@pytest.mark.parametrize("name", ATTACKS)
def test_no_file_beside_the_model_is_read_however_it_is_hidden(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / SECRET).write_bytes(SECRET_VALUES.tobytes())
    (tmp_path / "m.onnx").write_bytes(ATTACKS[name]())
    leaked = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])
    assert np.array_equal(leaked.run(None, {})[0], SECRET_VALUES)  # the file is an attack
    for model in (tmp_path / "m.onnx", ATTACKS[name]()):
        with pytest.raises(EmbedgeError, match="E-GRAPH"):
            ort_session(model)


def test_only_the_right_tag_is_refused_for_its_length() -> None:
    with pytest.raises(EmbedgeError, match="longer than it needs to be"):
        graph_facts(ATTACKS["overlong_tags"]())
    assert graph_facts(ATTACKS["long_location"]()).external_data


def test_the_schema_is_that_of_the_onnx_package() -> None:
    """A field that onnx knows and the walk does not would be refused; a wrong one, overlooked."""
    kinds = {
        "ModelProto": "model",
        "TrainingInfoProto": "training",
        "GraphProto": "graph",
        "FunctionProto": "function",
        "NodeProto": "node",
        "AttributeProto": "attribute",
        "SparseTensorProto": "sparse",
        "TensorProto": "tensor",
    }
    for proto, kind in kinds.items():
        for field in getattr(onnx, proto).DESCRIPTOR.fields:
            number = field.cpp_type not in (field.CPPTYPE_STRING, field.CPPTYPE_MESSAGE)
            if number and not field.is_repeated:
                continue  # written without a length, so it holds nothing
            holds = field.message_type and kinds.get(field.message_type.name, "")
            assert _PARTS[kind].get(field.number) == (holds or ""), (proto, field.name)


def test_a_compiled_context_names_another_file() -> None:
    assert graph_facts(compiled_context()).external_data


def test_a_file_in_another_format_is_not_guessed(tmp_path: Path) -> None:
    """onnxruntime tells its own format by four bytes, which an ONNX message may hold as well."""
    polyglot = b"\x12\x06ORTM" + b"ab" + MODEL
    assert graph_facts(polyglot).operators == {"Conv", "Flatten", "Gemm"}
    assert ort_session(polyglot).get_inputs()[0].name == "image"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xfa\x07\x01a", "field 127 of a model is not known"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x08\x80\x00", "longer than it needs"),
        (b"\x02\x01a", "number is 0"),
        (b"\x3a\x00\x3a\x00", "two graphs"),
        (b"\x3a" * 3, "cut short|no graph|not known"),
    ],
)
def test_what_no_exporter_writes_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(EmbedgeError, match=why):
        graph_facts(data)


def test_graphs_within_graphs_end_somewhere() -> None:
    node = helper.make_node("Identity", ["a"], ["b"])
    for _ in range(25):
        inner = helper.make_graph([node], "g", [], [])
        node = helper.make_node("If", ["c"], ["b"], then_branch=inner, else_branch=inner)
        node.attribute.pop()
    with pytest.raises(EmbedgeError, match="nested too deeply"):
        graph_facts(model_of([node], []))


def test_a_file_of_tiny_parts_costs_a_bounded_time() -> None:
    began = time.process_time()
    with pytest.raises(EmbedgeError, match="more parts than any model"):
        graph_facts(b"\x08\x01" * 8_000_000)
    assert time.process_time() - began < 20


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(MODEL) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_read_or_refused(position: int, flip: int) -> None:
    broken = bytearray(MODEL[:4000])
    broken[position % 4000] ^= flip
    with suppress(EmbedgeError):  # any other exception fails the test
        assert graph_facts(bytes(broken)).operators is not None


def test_agrees_with_the_onnx_package() -> None:
    proto = onnx.load_from_string(MODEL)
    assert graph_facts(MODEL).operators == {node.op_type for node in proto.graph.node}


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x08\x07", MODEL[:-1]])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(EmbedgeError, match="E-GRAPH"):
        graph_facts(data)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


NUMBER = st.integers(1, (1 << 29) - 1)
FIELD = st.one_of(
    st.tuples(NUMBER, st.integers(0, (1 << 64) - 1)),
    st.tuples(NUMBER, st.binary(max_size=300)),
    st.tuples(NUMBER, st.sampled_from([None])),
)


def written(number: int, value: int | bytes | None) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if value is None:
        return varint(number << 3 | 5) + bytes(4)
    return varint(number << 3 | 2) + varint(len(value)) + value


@given(st.lists(FIELD, max_size=10))
def test_what_is_written_is_read(fields: list[tuple[int, int | bytes | None]]) -> None:
    message = b"".join(written(*field) for field in fields)
    found = [
        (number, bytes(value) if isinstance(value, memoryview) else value)
        for number, value in Wire().fields(memoryview(message))
    ]
    assert found == fields


@given(NUMBER, st.integers(0, 1 << 30), st.integers(1, 3))
def test_there_is_one_way_to_write_a_number(number: int, value: int, more: int) -> None:
    long = varint(value)
    long = long[:-1] + bytes([long[-1] | 0x80]) + b"\x80" * (more - 1) + b"\x00"
    with pytest.raises(ValueError, match=r"longer|too long"):
        list(Wire().fields(memoryview(varint(number << 3) + long)))


def test_all_messages_of_a_file_share_one_budget() -> None:
    wire = Wire(most=3)
    assert len(list(wire.fields(memoryview(b"\x08\x01\x08\x01")))) == 2
    with pytest.raises(ValueError, match="more parts"):
        list(wire.fields(memoryview(b"\x08\x01\x08\x01")))
