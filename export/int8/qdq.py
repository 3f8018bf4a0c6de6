"""INT8 by one call: a float ONNX file and pictures in, a graph that says what runs in 8 bits.

A file that cannot be quantised, and pictures that cannot calibrate, are refused before any work.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

import numpy as np

from embedge.errors import EmbedgeError
from embedge.export.engines.tensorrt.float_weights import float_weights
from embedge.export.engines.tensorrt.rules import (
    TENSORRT_8_OPSET,
    lower_opset,
    require_tensorrt,
    require_tensorrt_8,
)
from embedge.export.graph.canonical import canonical
from embedge.export.graph.channels import lower_prelu, tame_slopes, widen_groups
from embedge.export.graph.running import Images, Proof, batches_of, observe, read_contract
from embedge.export.graph.surgery import Graph, is_weighted, quantisable, whole_model
from embedge.export.int8 import WEIGHT_BITS
from embedge.export.int8.budget.precision_plan import Allowance, PrecisionPlan, searched
from embedge.export.int8.compensation import (
    Means,
    correct_biases,
    equalise,
    exact_entrance,
    fold_entrance,
)
from embedge.export.int8.placement import (
    SYMMETRIC,
    Target,
    Wanted,
    cheap_ends,
    enters_in_float,
    place,
    wanted_tensors,
)
from embedge.export.int8.ranges import Method, Range, ValueCounts
from embedge.runtime.contract import EmbeddingContract

__all__ = [
    "FEW",
    "Calibrated",
    "Quantise",
    "calibrated_graph",
    "qdq_from_onnx",
    "quantised",
    "write_for",
]

FEW = 128  # pictures that suffice for means and for the extremes of channels
_VALUES_PER_PICTURE = 1 << 14
_FEWEST = 8
_SOME = 8
_LAYERS = {"Conv", "Gemm", "MatMul"}
# the picture's border is padded by the code nearest to zero, half a grey level beside it
_BORDER = 2e-3


@dataclass(slots=True)
class Calibrated:
    """A float graph ready to be quantised: equalised, its values counted.

    The `last` layers stay in float whatever else does; with the share of each in the work. What
    was computed once is kept, so that a search over plans does not compute it again.
    """

    graph: Graph
    target: Target
    counts: dict[str, ValueCounts]
    fixed: dict[str, Range]
    last: dict[str, float]
    found: dict[tuple[str, Method], Range] = field(default_factory=dict)
    means: Means = field(default_factory=dict)

    def ranges(self, wanted: Wanted, method: Method) -> dict[str, Range]:
        """One range per root: the union over the tensors that share it."""
        ranges = dict[str, Range]()
        for name in wanted.tensors:
            root, found = wanted.root(name), self._range(name, method)
            ranges[root] = found.union(ranges[root]) if root in ranges else found
        for node in wanted.nodes:
            if node.op_type == "HardSwish":  # zero below −3, whatever it reads
                root = wanted.root(node.input[0])
                ranges[root] = Range(max(ranges[root].low, -3.0), ranges[root].high)
        return ranges

    def _range(self, name: str, method: Method) -> Range:
        if name in self.fixed:
            return self.fixed[name]
        if (name, method) not in self.found:
            options = {"symmetric": self.target in SYMMETRIC} if method == "mse" else {}
            self.found[name, method] = self.counts[name].compute(method, **options)
        return self.found[name, method]


class Quantise(Protocol):
    """How a calibrated graph becomes a Q/DQ graph: `quantised`, or after some training."""

    def __call__(
        self,
        calibrated: Calibrated,
        images: Images,
        method: Method,
        /,
        *,
        kept: frozenset[str],
        weight_bits: int,
    ) -> Graph: ...


def quantised(
    calibrated: Calibrated,
    images: Images,
    method: Method,
    *,
    kept: frozenset[str] = frozenset(),
    weight_bits: int = WEIGHT_BITS,
    correct: bool = True,
) -> Graph:
    """The Q/DQ graph; the calibrated float graph stays as it is."""
    graph, target = calibrated.graph.copy(), calibrated.target
    wanted = wanted_tensors(graph, target, kept=kept | calibrated.last.keys())
    ranges = calibrated.ranges(wanted, method)
    if correct:
        few = batches_of(images[:FEW], read_contract(graph))
        known = calibrated.means
        correct_biases(graph, wanted, ranges, target, few, bits=weight_bits, known=known)
    place(graph, wanted, ranges, target, bits=weight_bits)
    if target == "cpu":
        lower_prelu(graph)  # those beside layers that stay in float
    return graph


def qdq_from_onnx(
    model: Path | Graph,
    calibration_images: Images,
    path_out: Path | None,
    *,
    target: Target = "cpu",
    method: Method = "mse",
    kept: frozenset[str] = frozenset(),
    weight_bits: int = WEIGHT_BITS,
    budget: Allowance | None = None,
    quantise: Quantise = quantised,
) -> PrecisionPlan:
    """Quantise a network with the ranges that uint8 (N,H,W,3) pictures show.

    `model` is a file that carries our contract, or a graph that was taken in.

    `kept` names nodes that stay in float, `budget` lets more be searched; the plan tells which.
    `weight_bits=7` is for x86 processors without VNNI, whose 16-bit accumulators saturate. Without
    `path_out` nothing is written: that is for all ranks of a distributed training but one.
    """
    calibrated = calibrated_graph(model, calibration_images, target)
    kept = _named_layers(calibrated.graph, kept)
    plan = PrecisionPlan(target, calibrated.last, asked=kept)
    if budget is not None:

        def trial(some: frozenset[str]) -> Graph:
            both = kept | some
            return quantised(
                calibrated, calibration_images, method, kept=both, weight_bits=weight_bits
            )

        plan = searched(plan, calibrated.graph, budget, trial)
        kept |= plan.nodes
    count, integer, unknown = _layer_count(calibrated.graph, kept | calibrated.last.keys())
    plan = replace(plan, layers=count, integer=integer, unknown=unknown)
    graph = quantise(calibrated, calibration_images, method, kept=kept, weight_bits=weight_bits)
    if path_out is not None:
        write_for(graph, target, path_out)
    return plan


def write_for(graph: Graph, target: Target, path: Path) -> None:
    """Write the graph in the opset of its target; TensorRT's rules are checked before."""
    if target == "trt8":
        lower_opset(graph, TENSORRT_8_OPSET)
        float_weights(graph)
    rules = {"cpu": None, "qdq": None, "trt": require_tensorrt, "trt8": require_tensorrt_8}
    graph.write(path, check=rules[target])


def calibrated_graph(model: Path | Graph, images: Images, target: Target) -> Calibrated:
    """Everything that comes before the choice of ranges and of nodes."""
    graph = _own(model) if isinstance(model, Path) else model.copy()
    contract = read_contract(graph)
    _require_pictures(images, contract.size)
    proof = Proof.of_graph(graph, images)
    canonical(graph, proof.after)
    fold_entrance(graph)
    proof.after("fold entrance", graph)
    if target == "cpu":
        tame_slopes(graph)
        proof.after("tame slopes", graph)
        widen_groups(graph)
        proof.after("widen groups", graph)
    _require_layers(graph)
    ends = cheap_ends(graph, images[:1], target)
    graph, fixed = _with_exact_entrance(graph, contract, proof, ends)
    proof = Proof.of_graph(graph, images)
    equalise(graph, batches_of(images[:FEW], contract))
    graph.tidy()
    proof.after("equalise", graph)
    wanted = wanted_tensors(graph, target)
    counts = {name: ValueCounts() for name in wanted.tensors}
    for values in observe(graph, wanted.tensors, batches_of(images, contract)):
        for name, value in values.items():
            counts[name].collect(value, name, most=_VALUES_PER_PICTURE)
    return Calibrated(graph, target, counts, fixed, ends)


def _with_exact_entrance(
    graph: Graph, contract: EmbeddingContract, proof: Proof, ends: Collection[str]
) -> tuple[Graph, dict[str, Range]]:
    """Grey levels fall on the steps of INT8, at the price of half a level at a padded border.

    A network whose answers hang on its border keeps its entrance, whose range is then observed; one
    that is entered in float needs no steps.
    """
    if enters_in_float(graph, ends):
        return graph, {}
    moved = graph.copy()
    fixed = exact_entrance(moved, contract)
    return (moved, fixed) if proof.distance(moved) <= _BORDER else (graph, {})


def _own(path: Path) -> Graph:
    model = whole_model(path)
    quantisable(model)
    graph = Graph.from_model(model, where=path)
    read_contract(graph, path)
    return graph


def _named_layers(graph: Graph, names: frozenset[str]) -> frozenset[str]:
    """The nodes of those names. A layer that was split is all of its parts."""
    known = [node.name for node in graph.nodes]
    found = set[str]()
    for name in sorted(names):
        mine = {one for one in known if one == name or one.startswith(f"{name}.part")}
        if not mine:
            raise _unknown(name, [node.name for node in graph.nodes if is_weighted(graph, node)])
        found |= mine
    return frozenset(found)


def _require_layers(graph: Graph) -> None:
    """A network without one convolution or matrix product of known weights has no INT8."""
    if any(is_weighted(graph, node) for node in graph.nodes):
        return
    products = sum(node.op_type in _LAYERS for node in graph.nodes)
    raise EmbedgeError(
        "E-NOT-QUANTISABLE",
        f"0 of {products} convolutions and matrix products have weights that are known",
        remedy="Export the model with its weights as initialisers",
    )


def _layer_count(graph: Graph, kept: frozenset[str]) -> tuple[int, int, tuple[str, ...]]:
    """(convolutions and matrix products, how many run in INT8, which have no constant weights)"""
    layers = [node for node in graph.nodes if node.op_type in _LAYERS]
    known = [node for node in layers if is_weighted(graph, node)]
    integer = sum(node.name not in kept for node in known)
    unknown = tuple(node.name for node in layers if not is_weighted(graph, node))
    return len(layers), integer, unknown


def _unknown(name: str, layers: list[str]) -> EmbedgeError:
    near = get_close_matches(name, layers, n=3, cutoff=0.5)
    remedy = (
        f"Did you mean {' or '.join(near)}?" if near else f"Some are: {', '.join(layers[:_SOME])}"
    )
    return EmbedgeError(
        "E-KEEP", f"the network has no layer {name!r} to keep in float", remedy=remedy
    )


def _require_pictures(images: Images, size: int) -> None:
    """Enough different pictures of the size of the model."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (size, size, 3):
        raise _no_calibration(
            f"calibration pictures are {images.dtype} {images.shape},"
            f" expected uint8 (N, {size}, {size}, 3)",
            "Pass aligned RGB pictures as they are decoded",
        )
    several = "Give some hundred pictures of different people"
    if len(images) < _FEWEST:
        few = f"{len(images)} calibration pictures are too few; at least {_FEWEST} are needed"
        raise _no_calibration(few, several)
    if np.all(images == images[:1]):
        raise _no_calibration(
            f"all {len(images)} calibration pictures are the same picture", several
        )
    if np.all(images.reshape(len(images), -1).std(axis=1) == 0):
        one = "every calibration picture is of one colour"
        raise _no_calibration(one, "Give photographs of aligned faces")


def _no_calibration(what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-CALIBRATION", what, remedy=remedy)
