"""An ONNX graph in memory: read, edited, run on pictures, written."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, ValueInfoProto, helper, numpy_helper

from embedge import __version__
from embedge.errors import EmbedgeError
from embedge.export.graph.plain import plain_model
from embedge.export.graph.weights import self_contained
from embedge.files import whole_file
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.encoders.ort import METADATA_KEY
from embedge.runtime.encoders.sessions import ort_session, run_session

__all__ = [
    "Graph",
    "Images",
    "attribute",
    "batches_of",
    "copy_message",
    "embeddings_of",
    "group_count",
    "is_conv",
    "is_weighted",
    "node_place",
    "observe",
    "read_contract",
    "stamp",
]

Array = NDArray[Any]
Float32 = NDArray[np.float32]
Images = NDArray[np.uint8]  # (N, H, W, 3), RGB
_Message = TypeVar("_Message", NodeProto, ValueInfoProto)

# The oldest IR that carries the opset; readers refuse files of a newer IR than they know.
_IR_OF_OPSET = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}
OPSETS = range(13, 24)
_MICROSOFT = "com.microsoft"
_BATCH = 16


@dataclass(slots=True)
class Graph:
    """A list of nodes, constants as arrays, unique names.

    `write` sorts, prunes, and lets onnx.checker look.
    """

    nodes: list[NodeProto]
    constants: dict[str, Array]
    inputs: list[ValueInfoProto]
    outputs: list[ValueInfoProto]
    opset: int
    metadata: dict[str, str] = field(default_factory=dict)
    name: str = "embedge"
    _taken: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls.from_model(self_contained(path, None), where=path)

    @classmethod
    def from_model(cls, model: onnx.ModelProto, where: Path | None = None) -> Self:
        opset = _standard_opset(model, where)
        graph = plain_model(model).graph
        constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        taken = set(constants)
        for node in graph.node:
            taken.update(node.input, node.output, [node.name])
        inputs = list(graph.input)
        taken.update(item.name for item in inputs)
        metadata = {item.key: item.value for item in model.metadata_props}
        nodes = [copy_message(node) for node in graph.node]
        return cls(nodes, constants, inputs, list(graph.output), opset, metadata, "embedge", taken)

    def copy(self) -> "Graph":
        """An independent copy; the arrays are shared because no pass writes into one."""
        return Graph(
            [copy_message(node) for node in self.nodes],
            dict(self.constants),
            [copy_message(item) for item in self.inputs],
            [copy_message(item) for item in self.outputs],
            self.opset,
            dict(self.metadata),
            self.name,
            set(self._taken),
        )

    # ---- looking

    def producer(self, tensor: str) -> NodeProto | None:
        return next((node for node in self.nodes if tensor in node.output), None)

    def consumers(self, tensor: str) -> list[NodeProto]:
        return [node for node in self.nodes if tensor in node.input]

    def only_consumer(self, tensor: str) -> NodeProto | None:
        """The single reader of a tensor that is no output of the graph."""
        readers = self.consumers(tensor)
        leaves = any(item.name == tensor for item in self.outputs)
        return readers[0] if len(readers) == 1 and not leaves else None

    def constant_inputs(self, node: NodeProto) -> Iterator[tuple[int, Array]]:
        for position, name in enumerate(node.input):
            if name in self.constants:
                yield position, self.constants[name]

    # ---- editing

    def fresh(self, hint: str) -> str:
        name, count = hint, 1
        while name in self._taken:
            name, count = f"{hint}.{count}", count + 1
        self._taken.add(name)
        return name

    def add_constant(self, hint: str, value: Array) -> str:
        name = self.fresh(hint)
        self.constants[name] = np.asarray(value)
        return name

    def emit(
        self,
        op: str,
        inputs: Iterable[str],
        *,
        hint: str,
        output: str | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node; its place is found by the sort. Returns the name of its output."""
        result = output or self.fresh(hint)
        name = self.fresh(f"{hint}/{op}")
        node = helper.make_node(op, list(inputs), [result], name=name, domain=domain, **attributes)
        self.nodes.append(node)
        return result

    def remove(self, *nodes: NodeProto) -> None:
        gone = {id(node) for node in nodes}
        self.nodes = [node for node in self.nodes if id(node) not in gone]

    def rewire(self, old: str, new: str, readers: Iterable[NodeProto] | None = None) -> None:
        """Let the readers of `old` read `new`."""
        for node in self.consumers(old) if readers is None else readers:
            node.input[:] = [new if name == old else name for name in node.input]

    def bypass(self, node: NodeProto) -> None:
        """Remove a node that changes nothing: who read its output reads its input."""
        source, result = node.input[0], node.output[0]
        self.remove(node)
        if any(item.name == result for item in self.outputs):
            self._rename_output(source, result)
        else:
            self.rewire(result, source)

    def _rename_output(self, source: str, result: str) -> None:
        maker = self.producer(source)
        if maker is None:
            self.emit("Identity", [source], hint=result, output=result)
            return
        maker.output[:] = [result if name == source else name for name in maker.output]
        self.rewire(source, result)

    # ---- out

    def tidy(self) -> None:
        """Sort topologically, drop nodes and constants nobody reads."""
        self._prune()
        self._sort()
        used = {name for node in self.nodes for name in node.input}
        self.constants = {k: v for k, v in self.constants.items() if k in used}

    def _prune(self) -> None:
        needed = {item.name for item in self.outputs}
        makers = {name: node for node in self.nodes for name in node.output}
        stack, kept = [makers[name] for name in needed if name in makers], set[int]()
        while stack:
            node = stack.pop()
            if id(node) in kept:
                continue
            kept.add(id(node))
            stack.extend(makers[name] for name in node.input if name in makers)
        self.nodes = [node for node in self.nodes if id(node) in kept]

    def _sort(self) -> None:
        ready = set(self.constants) | {item.name for item in self.inputs} | {""}
        waiting, ordered = self.nodes, list[NodeProto]()
        while waiting:
            later = list[NodeProto]()
            for node in waiting:
                if ready.issuperset(node.input):
                    ordered.append(node)
                    ready.update(node.output)
                else:
                    later.append(node)
            if len(later) == len(waiting):
                raise ValueError(f"the graph has a cycle or a missing input at {later[0].name}")
            waiting = later
        self.nodes = ordered

    def to_model(self) -> onnx.ModelProto:
        self.tidy()
        tensors = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, tensors)
        domains = {node.domain for node in self.nodes} - {"", "ai.onnx"}
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(domain, 1) for domain in sorted(domains)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="embedge")
        model.producer_version = __version__
        model.ir_version = _IR_OF_OPSET[self.opset]
        helper.set_model_props(model, self.metadata)
        return model

    def write(self, path: Path, check: Callable[[onnx.ModelProto], None] | None = None) -> None:
        """Check and write one self-contained file."""
        model = self.to_model()
        known = all(item.domain != _MICROSOFT for item in model.opset_import)
        onnx.checker.check_model(model, full_check=known)
        if check is not None:
            check(model)
        with whole_file(path) as part:
            part.write_bytes(model.SerializeToString())


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    for item in node.attribute:
        if item.name == name:
            value = helper.get_attribute_value(item)
            return value.decode() if isinstance(value, bytes) else value
    return default


def node_place(node: NodeProto) -> str:
    """How messages name a node."""
    return f"node {node.name or node.output[0]} ({node.op_type})"


def copy_message(message: _Message) -> _Message:
    twin = type(message)()
    twin.CopyFrom(message)
    return twin


def is_weighted(graph: Graph, node: NodeProto) -> bool:
    """A Conv or Gemm with known weights, stored as (outputs, …), and a known bias or none."""
    if node.op_type not in {"Conv", "Gemm"} or len(node.input) < 2:
        return False
    plain = node.op_type == "Conv" or (
        bool(attribute(node, "transB", 0))
        and not attribute(node, "transA", 0)
        and attribute(node, "alpha", 1.0) == attribute(node, "beta", 1.0) == 1.0
    )
    return plain and all(name in graph.constants for name in node.input[1:])


def is_conv(graph: Graph, node: NodeProto) -> bool:
    """A Conv whose weights are known."""
    return node.op_type == "Conv" and is_weighted(graph, node)


def group_count(node: NodeProto) -> int:
    return int(attribute(node, "group", 1)) if node.op_type == "Conv" else 1


def stamp(graph: Graph, contract: EmbeddingContract) -> None:
    """Write the contract into the metadata."""
    graph.metadata[METADATA_KEY] = json.dumps(contract.to_json(), sort_keys=True)


def read_contract(graph: Graph, where: Path | None = None) -> EmbeddingContract:
    """How the graph is fed, as it says itself: there is no default for one that does not."""
    return _contract_in(graph.metadata, where)


def _contract_in(metadata: Mapping[str, str], where: Path | None = None) -> EmbeddingContract:
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise EmbedgeError(
            "E-FEEDING-UNSTATED",
            "this model does not say how it is fed",
            where=where,
            remedy="State it: --mean, --std, --colour (and --layout, --range), or take the model in"
            " with embedge.export.intake.taken_in",
        )
    return EmbeddingContract.from_json(json.loads(text))


def batches_of(images: Images, contract: EmbeddingContract) -> Iterator[Float32]:
    """Pictures as float32 (n,3,H,W), normalised."""
    for start in range(0, len(images), _BATCH):
        yield tensor_from_crops(images[start : start + _BATCH], contract)


def embeddings_of(model: bytes | Path | Graph, images: Images) -> Float32:
    """What a graph writes for pictures, fed as its contract says, not normalised."""
    data = model.copy().to_model().SerializeToString() if isinstance(model, Graph) else model
    session = ort_session(data)
    contract = _contract_in(session.get_modelmeta().custom_metadata_map)
    name = session.get_inputs()[0].name
    feeds = ({name: batch} for batch in batches_of(images, contract))
    return np.concatenate([run_session(session, None, feed)[0] for feed in feeds])


def observe(
    graph: Graph, tensors: Sequence[str], batches: Iterable[Float32]
) -> Iterator[dict[str, Float32]]:
    """The values of the named tensors, batch by batch."""
    feed = graph.inputs[0].name
    inner = [name for name in tensors if name != feed]
    session = _session_showing(graph, inner)
    for batch in batches:
        values = dict(zip(inner, session.run(inner, {feed: batch}), strict=True)) if inner else {}
        yield {name: batch if name == feed else values[name] for name in tensors}


def _session_showing(graph: Graph, tensors: Sequence[str]) -> Any:
    model = graph.copy().to_model()
    present = {item.name for item in model.graph.output}
    extra = [name for name in tensors if name not in present]
    typed = {item.name: item for item in onnx.shape_inference.infer_shapes(model).graph.value_info}
    model.graph.output.extend(typed[name] for name in extra)
    return ort_session(model.SerializeToString())


def _standard_opset(model: onnx.ModelProto, where: Path | None) -> int:
    versions = {item.domain: item.version for item in model.opset_import}
    opset: int = versions.get("", versions.get("ai.onnx", 0))
    if opset not in OPSETS:
        raise EmbedgeError(
            "E-OPSET",
            f"the model uses ONNX opset {opset}, not one of {OPSETS.start} to {OPSETS.stop - 1}",
            where=where,
            remedy="Export it again with opset 17, or take it in with embedge quantize",
        )
    return opset
