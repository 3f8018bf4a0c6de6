"""How a network is typed, by what a TensorRT offers and what is asked of it."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from outside_files import ATTACKS
from tiny_graphs import graph_file

from embedge.errors import EmbedgeError
from embedge.export.engines import EngineOptions
from embedge.export.engines.tensorrt.network import (
    network_from_onnx,
    network_kind,
    tensor_types,
)

OFFERS = {  # of TensorRT 8, 10 and 11: kinds of network, precision flags
    8: (["EXPLICIT_BATCH"], ["FP16"]),
    10: (["EXPLICIT_BATCH", "STRONGLY_TYPED"], ["FP16"]),
    11: (["STRONGLY_TYPED"], []),
}


def fake(generation: int) -> Any:
    kinds, flags = OFFERS[generation]
    return SimpleNamespace(
        NetworkDefinitionCreationFlag=SimpleNamespace(**{k: i for i, k in enumerate(kinds)}),
        BuilderFlag=SimpleNamespace(**dict.fromkeys(flags, 0)),
    )


@pytest.mark.parametrize(
    ("generation", "options", "half", "kind"),
    [
        (8, {"precision": "fp16"}, True, "EXPLICIT_BATCH"),
        (10, {"precision": "fp16"}, True, "STRONGLY_TYPED"),
        (10, {"precision": "int8"}, False, "EXPLICIT_BATCH"),  # its remainder is had by flag
        (10, {"precision": "int8"}, True, "STRONGLY_TYPED"),
        (10, {"precision": "int8", "remainder": "fp32"}, False, "STRONGLY_TYPED"),
        (10, {"precision": "fp16", "dla": 0}, True, "EXPLICIT_BATCH"),
        (11, {"precision": "int8"}, False, "STRONGLY_TYPED"),
    ],
)
def test_the_kind_of_network(
    generation: int, options: dict[str, Any], half: bool, kind: str
) -> None:
    assert network_kind(fake(generation), EngineOptions(**options), half=half) == kind


def network(*types: str) -> Any:
    layers = [
        SimpleNamespace(num_outputs=1, get_output=lambda _, name=name: tensor(name))
        for name in types
    ]
    return SimpleNamespace(num_layers=len(layers), get_layer=layers.__getitem__)


def tensor(name: str) -> Any:
    return SimpleNamespace(dtype=SimpleNamespace(name=name))


def parse(net: Any, precision: str, model: Path, errors: Sequence[Any] = ()) -> Any:
    class Parser:
        def __init__(self, *_: object) -> None:
            self.num_errors = len(errors)

        def parse(self, data: bytes) -> bool:
            assert data == model.read_bytes()
            return not errors

        def get_error(self, index: int) -> Any:
            return errors[index]

    trt = fake(10)
    trt.OnnxParser = Parser
    builder = SimpleNamespace(create_network=lambda flags: net if flags == 2 else None)
    options, log = EngineOptions(precision), SimpleNamespace(errors=[])
    return network_from_onnx(trt, builder, model, options, "STRONGLY_TYPED", log)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return graph_file(tmp_path / "m.onnx")


def test_types_are_counted_and_a_missing_precision_is_a_mistake(model: Path) -> None:
    net = network("INT8", "FLOAT", "INT8")
    assert tensor_types(net) == {"FLOAT": 1, "INT8": 2}
    assert parse(net, "int8", model)[0] is net
    with pytest.raises(EmbedgeError, match=r"E-TRT-PRECISION.*no tensor of the graph is HALF"):
        parse(net, "fp16", model)


def test_every_refused_node_is_named(model: Path) -> None:
    def refused(number: int) -> SimpleNamespace:
        return SimpleNamespace(node=lambda: number, desc=lambda: f"reason {number}")

    named = SimpleNamespace(
        **vars(refused(7)), node_name=lambda: "act", node_operator=lambda: "Gelu"
    )
    with pytest.raises(EmbedgeError) as told:
        parse(network(), "fp32", model, [refused(3), named])
    assert "node 3: reason 3\n  - node 7 'act' (Gelu): reason 7" in str(told.value)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_parser_sees_a_graph_that_names_other_files(tmp_path: Path, attack: str) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(ATTACKS[attack]())
    with pytest.raises(EmbedgeError, match="E-GRAPH"):
        parse(None, "fp32", model)
