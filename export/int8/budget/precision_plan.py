"""Mixed precision: which layers stay in float so that verification stays inside a budget."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import FloatLayer
from embedge.export.graph.running import Images, embeddings_of
from embedge.export.graph.surgery import Graph
from embedge.export.int8.budget.verification_effect import Effect, VerificationReference
from embedge.export.int8.placement import layer_macs
from embedge.files import write_json
from embedge.progress import Progress

__all__ = ["Allowance", "KeptLayer", "PrecisionPlan", "searched"]

_SWITCHING = 0.01  # leaving and entering INT8 costs time however small the layer is

Trial = Callable[[frozenset[str]], Graph]  # nodes in float -> everything else in INT8


@dataclass(frozen=True, slots=True, eq=False)
class Allowance:
    """At most `points` of TAR at `fmr` may be lost on labelled faces that do not calibrate."""

    points: float
    fmr: float
    faces: Images
    labels: NDArray[np.generic]
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))


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

    Without a search there is no budget and no effect: only the `last` layers are in float.
    """

    target: str
    last: dict[str, float]
    budget: float | None = None
    all_int8: Effect | None = None
    result: Effect | None = None
    kept: tuple[KeptLayer, ...] = ()
    asked: frozenset[str] = frozenset()
    """what its user keeps in float, whatever it costs or gives"""
    layers: int = 0
    """convolutions and matrix products, of which `integer` run in INT8"""
    integer: int = 0
    unknown: tuple[str, ...] = ()
    """those of them whose weights are not constant"""

    @property
    def reached(self) -> bool:
        return self.budget is None or (
            self.result is not None and self.result.tar_loss <= self.budget
        )

    @property
    def nodes(self) -> frozenset[str]:
        """What the search keeps, besides the last layers."""
        return frozenset(layer.node for layer in self.kept)

    def float_layers(self) -> tuple[FloatLayer, ...]:
        """Every layer in float."""
        why = "costs next to nothing, and nothing averages out what it would round"
        last = (FloatLayer(node, share, why) for node, share in self.last.items())
        return (*last, *map(self._reasoned, self.kept))

    def _reasoned(self, layer: KeptLayer) -> FloatLayer:
        assert self.all_int8 is not None  # what is kept was searched for
        before, alone = self.all_int8, layer.alone
        why = (
            f"everything in INT8 loses {before.tar_loss:.2f} points of TAR at FMR {before.fmr:g}"
            f" and moves scores by {before.unrest:.4f}, with this layer in float by"
            f" {alone.unrest:.4f}"
        )
        return FloatLayer(layer.node, layer.macs_share, why)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": "embedge.precision-plan/1",
            "target": self.target,
            "budget_points": self.budget,
            "asked": sorted(self.asked),
            "layers": self.layers,
            "integer_layers": self.integer,
            "without_constant_weights": list(self.unknown),
            "reached": self.reached,
            "all_int8": self.all_int8 and self.all_int8.to_json(),
            "result": self.result and self.result.to_json(),
            "float_layers": [asdict(layer) for layer in self.float_layers()],
            "kept": [layer.to_json() for layer in self.kept],
        }

    def write(self, path: Path) -> None:
        write_json(path, self.to_json())


def searched(plan: PrecisionPlan, graph: Graph, budget: Allowance, trial: Trial) -> PrecisionPlan:
    """Keep layers in float until TAR loses at most the budget.

    Layers are tried one at a time; they are kept in the order of how much calmer the scores become
    per multiplication, and after each one TAR is measured again; at the end those that the others
    made needless go back to INT8. The faces are not the calibration pictures.
    """
    faces = budget.faces
    reference = VerificationReference(embeddings_of(graph, faces), budget.labels, budget.fmr)

    def measured(nodes: Iterable[str]) -> Effect:
        return reference.effect(embeddings_of(trial(frozenset(nodes)), faces))

    all_int8 = result = measured([])
    kept = list[KeptLayer]()
    if result.tar_loss > budget.points:
        shares = layer_macs(graph, faces[:1])
        shares = {
            node: share
            for node, share in shares.items()
            if node not in plan.last and node not in plan.asked
        }
        with budget.progress.task("trying layers in float", len(shares)) as task:
            candidates = list[KeptLayer]()
            for node, share in shares.items():
                candidates.append(KeptLayer(node, share, measured([node])))
                task.advance()
        for layer in sorted(candidates, key=lambda one: _worth(one, all_int8), reverse=True):
            kept.append(layer)
            result = measured(one.node for one in kept)
            if result.tar_loss <= budget.points:
                kept, result = _thinned(kept, result, measured, budget.points)
                break
    return replace(plan, budget=budget.points, all_int8=all_int8, result=result, kept=tuple(kept))


def _thinned(
    kept: list[KeptLayer],
    result: Effect,
    measured: Callable[[Iterable[str]], Effect],
    points: float,
) -> tuple[list[KeptLayer], Effect]:
    """Without those that later ones made needless, the costliest first."""
    for layer in sorted(kept[:-1], key=lambda one: one.macs_share, reverse=True):
        rest = [one for one in kept if one is not layer]
        found = measured(one.node for one in rest)
        if found.tar_loss <= points:
            kept, result = rest, found
    return kept, result


def _worth(layer: KeptLayer, all_int8: Effect) -> float:
    """How much of what INT8 does to the scores it takes away, per share of the multiplications.

    TAR would choose by luck: of fifty layers, each changing the order of a few comparisons at the
    threshold, one always seems to help. What layers do to the scores adds up and is measured well.
    """
    return (all_int8.unrest**2 - layer.alone.unrest**2) / (layer.macs_share + _SWITCHING)
