"""IJB-B and IJB-C, 1:1 and 1:N, for one model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.comparison import Comparison
from embedge.calibration.evaluation.crossspace import compared_scores
from embedge.calibration.evaluation.embed import Acquisition, FeatureEncoder, feature_chunks
from embedge.calibration.evaluation.faces import FaceFiles
from embedge.calibration.evaluation.integrity import Finding
from embedge.calibration.evaluation.tests import RunOptions
from embedge.calibration.identification import Identification, identification, searched
from embedge.calibration.pairs import pairs_streamed
from embedge.calibration.protocols.ijb import IjbSet, SearchList
from embedge.calibration.protocols.templates import templates_from_chunks
from embedge.calibration.scores import Float32

__all__ = ["IjbMeasured", "IjbTest"]

_FPIRS = (0.1, 0.01)


@dataclass(frozen=True, slots=True, eq=False)
class IjbMeasured:
    """`failed` templates hold no face that could be embedded (failure to enrol)."""

    templates: int
    failed: int
    acquisition: Acquisition
    verification: Comparison | None
    searches: dict[str, Identification]

    def to_json(self) -> dict[str, Any]:
        verification = self.verification.to_json() if self.verification else {}
        return {
            **verification,
            "templates": self.templates,
            "failure_to_enrol": {"failed": self.failed, "rate": self.failed / self.templates},
            "acquisition": self.acquisition.to_json(),
            "identification": {name: found.to_json() for name, found in self.searches.items()},
            "findings": [],
        }


@dataclass(frozen=True, slots=True, eq=False)
class IjbTest:
    """`protocols` are any of "1:1" and "1:N"."""

    data: IjbSet
    protocols: tuple[str, ...] = ("1:1", "1:N")

    @property
    def faces(self) -> FaceFiles:
        return self.data.faces

    @property
    def subjects(self) -> NDArray[np.int64]:
        return self.data.subjects()

    def findings(self, digests: Sequence[str]) -> list[Finding]:
        return []  # its templates repeat pictures on purpose

    def run(self, name: str, encoder: FeatureEncoder, options: RunOptions) -> IjbMeasured:
        acquisition = Acquisition()
        chunks = feature_chunks(
            self.data.faces, encoder, acquisition, options.cache, options.ticker
        )
        data = self.data
        rows, exists = templates_from_chunks(
            chunks, data.detector_scores, data.templates, data.media, encoder.contract.dim
        )
        both = "1:1" in self.protocols
        return IjbMeasured(
            len(rows),
            int((~exists).sum()),
            acquisition,
            self._verified(name, rows, exists, options) if both else None,
            self._searches(rows, exists) if "1:N" in self.protocols else {},
        )

    def _verified(
        self, name: str, rows: Float32, exists: NDArray[np.bool_], options: RunOptions
    ) -> Comparison:
        kept = np.cumsum(exists) - 1
        blocks = (
            (kept[pairs[usable]].astype(np.int32), same[usable])
            for pairs, same in self.data.pair_blocks()
            for usable in [exists[pairs].all(axis=1)]
        )
        scores = pairs_streamed(rows[exists], self.data.subjects()[exists], blocks)
        return compared_scores(name, scores, options.fmrs, options.threshold)

    def _searches(self, rows: Float32, exists: NDArray[np.bool_]) -> dict[str, Identification]:
        galleries, probes = self.data.searches()
        asked = probes.rows[exists[probes.rows]]
        owners = _owners(probes, exists)
        found = {}
        for gallery in galleries:
            held = gallery.rows[exists[gallery.rows]]
            result = searched(rows[held], _owners(gallery, exists), rows[asked], owners)
            found[gallery.name] = identification(result, len(held), _FPIRS)
        return found


def _owners(part: SearchList, exists: NDArray[np.bool_]) -> NDArray[np.int64]:
    return part.subjects[exists[part.rows]]
