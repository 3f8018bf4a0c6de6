"""INT8: a float graph becomes a Q/DQ graph that says itself what runs in 8 bits."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.export.engines.tensorrt.rules import TENSORRT_8_OPSET, lower_opset, require_tensorrt
from embedge.export.graph.canonical import canonical
from embedge.export.graph.entrance import exact_entrance, fold_entrance
from embedge.export.graph.groups import widen_groups
from embedge.export.graph.observe import DEFAULT_DOOR, batches_of, observe
from embedge.export.graph.prelu import lower_prelu, tame_slopes
from embedge.export.graph.surgery import Graph
from embedge.export.int8.bias_correction import Means, correct_biases
from embedge.export.int8.budget.cost import closing_layers
from embedge.export.int8.equalise import equalise
from embedge.export.int8.placement import Target, Wanted, place, wanted_tensors
from embedge.export.int8.quantisable import require_pictures, require_quantisable
from embedge.export.int8.ranges import Histogram, Method, Range
from embedge.export.student import read_contract

__all__ = [
    "FEW",
    "Calibrated",
    "Images",
    "calibrated_graph",
    "collect_histograms",
    "qdq_from_onnx",
    "quantised",
    "write_for",
]

Images = NDArray[np.uint8]
_VALUES_PER_PICTURE = 1 << 14
FEW = 128  # pictures that suffice for means and for the extremes of channels


@dataclass(slots=True)
class Calibrated:
    """A float graph ready to be quantised: equalised, its values counted.

    The `closing` layers stay in float whatever else does; with the share of each in the work. What
    was computed once is kept, so that a search over plans does not compute it again.
    """

    graph: Graph
    target: Target
    histograms: dict[str, Histogram]
    fixed: dict[str, Range]
    closing: dict[str, float]
    found: dict[tuple[str, Method], Range] = field(default_factory=dict)
    means: Means = field(default_factory=dict)

    def ranges(self, wanted: Wanted, method: Method) -> dict[str, Range]:
        """One range per root: the union over the tensors that share it."""
        ranges = dict[str, Range]()
        for name in wanted.tensors:
            root, found = wanted.root(name), self._range(name, method)
            ranges[root] = found.union(ranges[root]) if root in ranges else found
        return ranges

    def _range(self, name: str, method: Method) -> Range:
        if name in self.fixed:
            return self.fixed[name]
        if (name, method) not in self.found:
            options = {"symmetric": self.target != "cpu"} if method == "mse" else {}
            self.found[name, method] = self.histograms[name].compute(method, **options)
        return self.found[name, method]


def qdq_from_onnx(
    path_in: Path,
    calibration_images: Images,
    path_out: Path,
    *,
    target: Target = "cpu",
    method: Method = "mse",
    kept: frozenset[str] = frozenset(),
    weight_bits: int = 8,
) -> None:
    """Quantise an ONNX file with the ranges that uint8 (N,H,W,3) pictures show.

    `kept` names nodes that stay in float. `weight_bits=7` is for x86 processors without VNNI,
    whose 16-bit accumulators saturate.
    """
    calibrated = calibrated_graph(path_in, calibration_images, target)
    graph = quantised(calibrated, calibration_images, method, kept=kept, weight_bits=weight_bits)
    write_for(graph, target, path_out)


def write_for(graph: Graph, target: Target, path: Path) -> None:
    """Write the graph in the opset of its target; TensorRT's rules are checked before."""
    if target == "trt8":
        lower_opset(graph, TENSORRT_8_OPSET)
    graph.write(path, check=None if target == "cpu" else require_tensorrt)


def quantisable_graph(path: Path) -> Graph:
    graph = Graph.read(path)
    require_quantisable(graph, path)
    return graph


def calibrated_graph(path_in: Path, images: Images, target: Target) -> Calibrated:
    """Everything that comes before the choice of ranges and of nodes."""
    graph = quantisable_graph(path_in)
    require_pictures(images, graph)
    door = read_contract(graph) or DEFAULT_DOOR
    canonical(graph)
    fold_entrance(graph)
    if target == "cpu":
        tame_slopes(graph)
        widen_groups(graph)
    fixed = exact_entrance(graph, door)
    equalise(graph, batches_of(images[:FEW], door))
    graph.tidy()
    wanted = wanted_tensors(graph, target)
    histograms = collect_histograms(graph, wanted, images)
    closing = {} if target == "cpu" else closing_layers(graph, images[:1])
    return Calibrated(graph, target, histograms, fixed, closing)


def quantised(
    calibrated: Calibrated,
    images: Images,
    method: Method,
    *,
    kept: frozenset[str] = frozenset(),
    weight_bits: int = 8,
    correct: bool = True,
) -> Graph:
    """The Q/DQ graph; the calibrated float graph stays as it is."""
    graph, target = calibrated.graph.copy(), calibrated.target
    door = read_contract(graph) or DEFAULT_DOOR
    wanted = wanted_tensors(graph, target, kept=kept | calibrated.closing.keys())
    ranges = calibrated.ranges(wanted, method)
    if correct:
        few = batches_of(images[:FEW], door)
        known = calibrated.means
        correct_biases(graph, wanted, ranges, target, few, bits=weight_bits, known=known)
    place(graph, wanted, ranges, target, bits=weight_bits)
    if target == "cpu":
        lower_prelu(graph)  # those beside layers that stay in float
    return graph


def collect_histograms(graph: Graph, wanted: Wanted, images: Images) -> dict[str, Histogram]:
    histograms = {name: Histogram() for name in wanted.tensors}
    door = read_contract(graph) or DEFAULT_DOOR
    for values in observe(graph, wanted.tensors, batches_of(images, door)):
        for name, value in values.items():
            histograms[name].collect(value, name, most=_VALUES_PER_PICTURE)
    return histograms
