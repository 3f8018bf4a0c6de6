"""Every model as gallery against every model as probe."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from embedge.calibration.evaluation.comparison import Comparison
from embedge.calibration.evaluation.crossspace import Reference, compare
from embedge.calibration.rates import Insufficient
from embedge.calibration.scores import Float32
from embedge.runtime.contract import EmbeddingContract, require_same_space

__all__ = ["CrossSpaceMatrix", "InSpace", "cross_space_matrix"]


@dataclass(frozen=True, slots=True, eq=False)
class InSpace:
    """The embeddings of the test's faces by one model, with the contract that names their space."""

    name: str
    contract: EmbeddingContract
    embeddings: Float32


@dataclass(frozen=True, slots=True)
class CrossSpaceMatrix:
    """`comparisons[gallery][probe]`; drift is against the first model by itself."""

    names: tuple[str, ...]
    comparisons: tuple[tuple[Comparison, ...], ...]

    def table(self, fmr: float) -> list[list[float | None]]:
        """TAR of every gallery (row) and probe (column); None where the data is insufficient."""
        return [[_tar(cell, fmr) for cell in row] for row in self.comparisons]

    def to_json(self) -> dict[str, Any]:
        fmrs = [result.fmr_target for result in self.comparisons[0][0].tar]
        return {
            "models": list(self.names),
            "tar": [{"fmr": fmr, "table": self.table(fmr)} for fmr in fmrs],
            "comparisons": [cell.to_json() for row in self.comparisons for cell in row],
        }


def cross_space_matrix(
    models: Sequence[InSpace], labels: ArrayLike, fmrs: Sequence[float], *, seed: int = 0
) -> CrossSpaceMatrix:
    """Refuses models of different spaces. Row i of all embeddings is the same face."""
    first, *others = models
    for model in others:
        require_same_space(first.contract, model.contract)
    alone = _cell(first, first, labels, fmrs, None, seed)
    reference = Reference(alone, first.embeddings, first.embeddings)
    rows = tuple(
        tuple(
            alone
            if gallery is probe is first
            else _cell(gallery, probe, labels, fmrs, reference, seed)
            for probe in models
        )
        for gallery in models
    )
    return CrossSpaceMatrix(tuple(model.name for model in models), rows)


def _cell(
    gallery: InSpace,
    probe: InSpace,
    labels: ArrayLike,
    fmrs: Sequence[float],
    reference: Reference | None,
    seed: int,
) -> Comparison:
    name = gallery.name if gallery is probe else f"{gallery.name} / {probe.name}"
    return compare(
        name,
        gallery.embeddings,
        probe.embeddings,
        np.asarray(labels),
        fmrs,
        roles=(gallery.name, probe.name),
        reference=reference,
        seed=seed,
    )


def _tar(cell: Comparison, fmr: float) -> float | None:
    point = cell.tar_at(fmr).point
    return None if isinstance(point, Insufficient) else point.tar
