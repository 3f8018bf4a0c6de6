"""Mixed precision: which layers stay in float so that verification stays inside a budget."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.export.graph.surgery import Graph
from embedge.export.int8.budget.before_after import embeddings_of
from embedge.export.int8.budget.cost import layer_macs
from embedge.export.int8.budget.verification_effect import Effect, VerificationReference
from embedge.export.int8.qdq import Calibrated, quantised
from embedge.export.int8.ranges import Method
from embedge.files import write_json

__all__ = ["KeptLayer", "PrecisionPlan", "planned"]

_SWITCHING = 0.01  # leaving and entering INT8 costs time however small the layer is

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
    """`kept` in the order in which they were chosen; `reached` tells whether the budget holds.

    Without a search there is no budget and no effect: only the `closing` layers are in float.
    """

    target: str
    closing: dict[str, float]
    budget: float | None = None
    all_int8: Effect | None = None
    result: Effect | None = None
    kept: tuple[KeptLayer, ...] = ()

    @property
    def reached(self) -> bool:
        return self.budget is None or (
            self.result is not None and self.result.tar_loss <= self.budget
        )

    @property
    def nodes(self) -> frozenset[str]:
        """What the search keeps, besides the closing layers."""
        return frozenset(layer.node for layer in self.kept)

    def float_layers(self) -> list[dict[str, Any]]:
        """Every layer in float, its share of the work, and why."""
        closing = [
            {"node": node, "macs_share": share, "why": "writes the embedding and costs nothing"}
            for node, share in self.closing.items()
        ]
        return [*closing, *map(self._reasoned, self.kept)]

    def _reasoned(self, layer: KeptLayer) -> dict[str, Any]:
        assert self.all_int8 is not None  # what is kept was searched for
        before, alone = self.all_int8, layer.alone
        why = (
            f"everything in INT8 loses {before.tar_loss:.2f} points of TAR at FMR {before.fmr:g}"
            f" and moves scores by {before.unrest:.4f}, with this layer in float by"
            f" {alone.unrest:.4f}"
        )
        return {"node": layer.node, "macs_share": layer.macs_share, "why": why}

    def to_json(self) -> dict[str, Any]:
        return {
            "format": "embedge.precision-plan/1",
            "target": self.target,
            "budget_points": self.budget,
            "reached": self.reached,
            "all_int8": self.all_int8 and self.all_int8.to_json(),
            "result": self.result and self.result.to_json(),
            "float_layers": self.float_layers(),
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

    Layers are tried one at a time; they are kept in the order of how much calmer the scores become
    per multiplication, and after each one TAR is measured again; at the end those that the others
    made needless go back to INT8. The faces are not the calibration pictures.
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
        shares = {node: share for node, share in shares.items() if node not in calibrated.closing}
        candidates = _candidates(shares, measured, watch)
        for layer in sorted(candidates, key=lambda one: _worth(one, all_int8), reverse=True):
            kept.append(layer)
            result = measured(frozenset(one.node for one in kept))
            if result.tar_loss <= budget:
                kept, result = _thinned(kept, result, measured, budget)
                break
    return PrecisionPlan(
        calibrated.target, calibrated.closing, budget, all_int8, result, tuple(kept)
    )


def _thinned(
    kept: list[KeptLayer],
    result: Effect,
    measured: Callable[[frozenset[str]], Effect],
    budget: float,
) -> tuple[list[KeptLayer], Effect]:
    """Without those that later ones made needless, the costliest first."""
    for layer in sorted(kept[:-1], key=lambda one: one.macs_share, reverse=True):
        rest = [one for one in kept if one is not layer]
        found = measured(frozenset(one.node for one in rest))
        if found.tar_loss <= budget:
            kept, result = rest, found
    return kept, result


def _candidates(
    shares: dict[str, float], measured: Callable[[frozenset[str]], Effect], watch: Watcher | None
) -> list[KeptLayer]:
    found = list[KeptLayer]()
    for done, (node, share) in enumerate(shares.items()):
        found.append(KeptLayer(node, share, measured(frozenset([node]))))
        if watch is not None:
            watch(done + 1, len(shares))
    return found


def _worth(layer: KeptLayer, all_int8: Effect) -> float:
    """How much of what INT8 does to the scores it takes away, per share of the multiplications.

    TAR would choose by luck: of fifty layers, each changing the order of a few comparisons at the
    threshold, one always seems to help. What layers do to the scores adds up and is measured well.
    """
    return (all_int8.unrest**2 - layer.alone.unrest**2) / (layer.macs_share + _SWITCHING)


def _embedded(graph: Graph, faces: Images) -> NDArray[np.float32]:
    embeddings: NDArray[np.float32] = embeddings_of(
        graph.copy().to_model().SerializeToString(), faces
    )
    return embeddings
