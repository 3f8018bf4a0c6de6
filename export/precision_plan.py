"""Mixed precision: which layers stay in float so that verification stays inside a budget."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.ranges import Method
from embedge.export.before_after import embeddings_of
from embedge.export.channels import is_weighted
from embedge.export.observe import batches_of, observe
from embedge.export.qdq import Calibrated, quantised
from embedge.export.surgery import Graph
from embedge.export.verification_effect import Effect, VerificationReference
from embedge.files import write_json

__all__ = ["KeptLayer", "PrecisionPlan", "layer_macs", "planned"]

Images = NDArray[np.uint8]
Watcher = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class KeptLayer:
    """A layer in float: its share of the work, and what INT8 does to it alone."""

    node: str
    macs_share: float
    alone: Effect

    def to_json(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "macs_share": self.macs_share,
            "effect_when_only_this_is_float": self.alone.to_json(),
        }


@dataclass(frozen=True, slots=True)
class PrecisionPlan:
    """`kept` in the order in which they were chosen; `reached` tells whether the budget holds."""

    target: str
    budget: float
    all_int8: Effect
    result: Effect
    kept: tuple[KeptLayer, ...]

    @property
    def reached(self) -> bool:
        return self.result.tar_loss <= self.budget

    @property
    def nodes(self) -> frozenset[str]:
        return frozenset(layer.node for layer in self.kept)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": "embedge.precision-plan/1",
            "target": self.target,
            "budget_points": self.budget,
            "reached": self.reached,
            "all_int8": self.all_int8.to_json(),
            "result": self.result.to_json(),
            "kept": [layer.to_json() for layer in self.kept],
        }

    def write(self, path: Path) -> None:
        write_json(path, self.to_json())


def planned(
    calibrated: Calibrated,
    images: Images,
    method: Method,
    faces: Images,
    labels: NDArray[Any],
    *,
    fmr: float,
    budget: float,
    watch: Watcher | None = None,
) -> PrecisionPlan:
    """Keep layers in float until TAR at `fmr` loses at most `budget` points.

    Layers are tried one at a time; they are kept in the order of what they give back per
    multiplication, and after each one the whole graph is measured again. The faces are not the
    calibration pictures.
    """
    float_graph = calibrated.graph
    reference = VerificationReference(_embedded(float_graph, faces), labels, fmr)

    def measured(kept: frozenset[str]) -> Effect:
        graph = quantised(calibrated, images, method, kept=kept)
        return reference.effect(_embedded(graph, faces))

    all_int8 = result = measured(frozenset())
    kept = list[KeptLayer]()
    if result.tar_loss > budget:
        shares = layer_macs(float_graph, images[:1])
        candidates = _candidates(shares, measured, watch)
        for layer in sorted(candidates, key=lambda one: _worth(one, all_int8), reverse=True):
            kept.append(layer)
            result = measured(frozenset(one.node for one in kept))
            if result.tar_loss <= budget:
                break
    return PrecisionPlan(calibrated.target, budget, all_int8, result, tuple(kept))


def _candidates(
    shares: dict[str, float], measured: Callable[[frozenset[str]], Effect], watch: Watcher | None
) -> list[KeptLayer]:
    found = list[KeptLayer]()
    for done, (node, share) in enumerate(shares.items()):
        found.append(KeptLayer(node, share, measured(frozenset([node]))))
        if watch is not None:
            watch(done + 1, len(shares))
    return found


def _worth(layer: KeptLayer, all_int8: Effect) -> tuple[float, float, float]:
    """TAR, decisions and cosine given back, each per share of the multiplications."""
    gains = (b - a for a, b in zip(layer.alone.badness, all_int8.badness))
    tar, flips, cosine = (gain / (layer.macs_share + 1e-3) for gain in gains)
    return tar, flips, cosine


def layer_macs(graph: Graph, picture: Images) -> dict[str, float]:
    """The share of every Conv and Gemm in the multiplications of the graph."""
    layers = [node for node in graph.nodes if is_weighted(graph, node)]
    values = next(observe(graph, [n.output[0] for n in layers], batches_of(picture)))
    macs = {
        node.name: values[node.output[0]][0, 0].size * graph.constants[node.input[1]].size
        for node in layers
    }
    total = sum(macs.values())
    return {name: count / total for name, count in macs.items()}


def _embedded(graph: Graph, faces: Images) -> NDArray[np.float32]:
    embeddings: NDArray[np.float32] = embeddings_of(
        graph.copy().to_model().SerializeToString(), faces
    )
    return embeddings
