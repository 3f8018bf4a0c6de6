"""The fake TensorRT offers nothing that the real bindings of its generation do not."""

import enum
import inspect
import os
from pathlib import Path

import onnx
import pytest
import tensorrt
from real_bindings import bindings
from tiny_graphs import graph_file

REAL = {
    8: ("tensorrt-bindings", "8.6.1"),
    10: ("tensorrt-cu12-bindings", "10.3.0"),
    11: ("tensorrt-cu13-bindings", "11.4.0.106"),
}[int(os.environ["FAKE_TENSORRT"])]
# what the fake calls by a name of its own
PRIVATE = {
    "_Config": "IBuilderConfig",
    "_Network": "INetworkDefinition",
    "_Tensor": "ITensor",
    "_Input": "ITensor",
    "_Layer": "ILayer",
    "_ParserError": "ParserError",
}


def public(value: object) -> set[str]:
    return {name for name in dir(value) if not name.startswith("_")}


def offered(path: Path) -> dict[str, set[str]]:
    """Class -> names, of the classes and of live objects, whose attributes count too."""
    classes = {name: value for name, value in vars(tensorrt).items() if inspect.isclass(value)}
    names = {PRIVATE.get(name, name): public(value) for name, value in classes.items()}
    for helper in ("IntEnum", "_HOST_FUNCTION"):
        names.pop(helper, None)
    for value in classes.values():
        if issubclass(value, enum.IntEnum):
            names[value.__name__] = set(value.__members__)
    for thing in live(path):
        kind = type(thing).__name__
        names[PRIVATE.get(kind, kind)] |= {name for name in vars(thing) if name[0] != "_"}
    return names


def live(path: Path) -> list[object]:
    log = tensorrt.ILogger()
    builder = tensorrt.Builder(log)
    kinds = len(tensorrt.NetworkDefinitionCreationFlag)
    network = builder.create_network(1 << (kinds - 1))
    tensorrt.OnnxParser(network, log).parse(graph_file(path, batch=1).read_bytes())
    config = builder.create_builder_config()
    runtime = tensorrt.Runtime(log)
    engine = runtime.deserialize_cuda_engine(builder.build_serialized_network(network, config))
    objects = [builder, network, config, runtime, engine, engine.create_execution_context()]
    return [*objects, network.get_layer(0), network.get_input(0)]


def test_every_name_of_the_fake_is_real(tmp_path: Path) -> None:
    ours = offered(tmp_path / "g.onnx")
    assert len(ours) > 15
    theirs = bindings(*REAL).ask("names", sorted(ours))
    assert isinstance(theirs, dict)
    invented = {owner: sorted(names - set(theirs[owner] or [])) for owner, names in ours.items()}
    assert {owner: names for owner, names in invented.items() if names} == {}


def test_the_fake_computes_what_onnx_says(tmp_path: Path) -> None:
    """Its shapes and types come from the file, so a wrong file cannot pass as a right one."""
    network = live(tmp_path / "g.onnx")[1]
    model = onnx.load(tmp_path / "g.onnx")
    assert network.num_layers == len(model.graph.node)  # type: ignore[attr-defined]
    with pytest.raises(KeyError):
        tensorrt.DataType["FLOAT99"]
