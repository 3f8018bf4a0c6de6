"""An ONNX graph in memory: read from a whole file in one plain form, edited, written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnx_ir.passes import Sequential
from onnx_ir.passes import common as passes

from embedge import __version__
from embedge.errors import EmbedgeError
from embedge.files import whole_file

__all__ = [
    "FOREIGN_OPSETS",
    "Graph",
    "attribute",
    "copy_message",
    "group_count",
    "is_conv",
    "is_weighted",
    "kept_outside",
    "node_place",
    "opset_of",
    "parsed_model",
    "plain_model",
    "quantisable",
    "unfit",
    "whole_model",
]

Array = NDArray[Any]
_Message = TypeVar("_Message", NodeProto, ValueInfoProto)

# The oldest IR that carries the opset; readers refuse files of a newer IR than they know.
_IR_OF_OPSET = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}
_OPSETS = range(13, 24)
FOREIGN_OPSETS = range(7, 25)  # the intake brings these to one of ours
_MICROSOFT = "com.microsoft"
_QUANTISED = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "QLinearMatMul"}
_CONTROL = {"If", "Loop", "Scan"}


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
    _taken: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls.from_model(whole_model(path), where=path)

    @classmethod
    def from_model(cls, model: onnx.ModelProto, where: Path | None = None) -> Self:
        opset = opset_of(model, _OPSETS, where)
        graph = plain_model(model).graph
        constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        taken = set(constants)
        for node in graph.node:
            taken.update(node.input, node.output, [node.name])
        inputs = list(graph.input)
        taken.update(item.name for item in inputs)
        metadata = {item.key: item.value for item in model.metadata_props}
        nodes = [copy_message(node) for node in graph.node]
        return cls(nodes, constants, inputs, list(graph.output), opset, metadata, taken)

    def copy(self) -> "Graph":
        """An independent copy; the arrays are shared because no pass writes into one."""
        return Graph(
            [copy_message(node) for node in self.nodes],
            dict(self.constants),
            [copy_message(item) for item in self.inputs],
            [copy_message(item) for item in self.outputs],
            self.opset,
            dict(self.metadata),
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
        **attributes: Any,
    ) -> str:
        """Append a node; its place is found by the sort. Returns the name of its output."""
        result = output or self.fresh(hint)
        name = self.fresh(f"{hint}/{op}")
        node = helper.make_node(op, list(inputs), [result], name=name, domain="", **attributes)
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
        graph = helper.make_graph(self.nodes, "embedge", self.inputs, self.outputs, tensors)
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


def whole_model(path: Path) -> onnx.ModelProto:
    """A file that holds all its weights itself."""
    model = parsed_model(path)
    if kept_outside(model):
        raise EmbedgeError(
            "E-EXTERNAL-DATA",
            "the weights of this model lie in a second file",
            where=path,
            remedy="State the folder they may be read from: --weights FOLDER",
        )
    return model


def parsed_model(path: Path) -> onnx.ModelProto:
    """The file's message; weights beside it are not read."""
    if not path.is_file():
        raise EmbedgeError(
            "E-GRAPH",
            "there is no such ONNX file",
            where=path,
            remedy="Check the path of the model",
        )
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises its own, undocumented classes
        raise EmbedgeError(
            "E-GRAPH",
            "this is not an ONNX model (it does not parse)",
            where=path,
            remedy="Export the model again, or fetch the file again if the copy was cut short",
        ) from error
    if not model.graph.node:
        raise EmbedgeError(
            "E-GRAPH", "this ONNX model has no nodes", where=path, remedy="Export the model again"
        )
    return model


def kept_outside(model: onnx.ModelProto) -> list[TensorProto]:
    """The tensors whose values lie in another file."""
    inner = [item.t for node in model.graph.node for item in node.attribute if item.HasField("t")]
    every = (*model.graph.initializer, *inner)
    return [one for one in every if one.data_location == TensorProto.EXTERNAL]


def plain_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """Functions inlined, constants among the initialisers and these no inputs, no Identity, every
    node with a name of its own, nothing that nobody reads."""
    every = Sequential(
        passes.InlinePass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.RemoveInitializersFromInputsPass(),
        passes.IdentityEliminationPass(),
        passes.RemoveUnusedNodesPass(),
        passes.NameFixPass(),
    )
    try:
        return ir.to_proto(every(ir.from_proto(model)).model)
    except Exception as error:  # onnx-ir raises whatever its reader meets
        raise EmbedgeError(
            "E-GRAPH",
            f"the graph cannot be read: {str(error).strip().splitlines()[0][:200]}",
            remedy="Check the file with onnx.checker.check_model, and export it again",
        ) from error


def opset_of(model: onnx.ModelProto, known: range, where: Path | None = None) -> int:
    """The opset of the standard operators, which must be one of the `known`."""
    versions = {item.domain: item.version for item in model.opset_import}
    opset: int = versions.get("", versions.get("ai.onnx", 0))
    if opset not in known:
        other = ", or take it in with embedge quantize" if opset in FOREIGN_OPSETS else ""
        raise EmbedgeError(
            "E-OPSET",
            f"the model uses ONNX opset {opset}, not one of {known.start} to {known.stop - 1}",
            where=where,
            remedy=f"Export it again with opset 17{other}",
        )
    return opset


def quantisable(model: onnx.ModelProto) -> None:
    """A float network of standard operators of an opset that is known, without control flow."""
    opset_of(model, FOREIGN_OPSETS)
    inlined = {(item.domain, item.name) for item in model.functions}
    for node in model.graph.node:
        if node.op_type in _QUANTISED:
            raise unfit(
                f"the model is quantised already: {node_place(node)}",
                "Give the float32 model it was made from",
            )
        own = (node.domain, node.op_type) in inlined
        if node.op_type in _CONTROL or (node.domain not in ("", "ai.onnx") and not own):
            kind = f"{node.domain}::{node.op_type}".removeprefix("::")
            raise unfit(
                f"{node_place(node)} is of a kind that cannot be quantised here: {kind}",
                "Export the model without control flow and custom operators",
            )
        if node.op_type == "BatchNormalization" and attribute(node, "training_mode"):
            raise unfit(
                f"{node_place(node)} is in training mode",
                "Export the model in evaluation mode: model.eval()",
            )


def unfit(what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-NOT-QUANTISABLE", what, remedy=remedy)
