"""IJB-B and IJB-C, 1:1 and 1:N, for one model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.embed import Chunk, FeatureEncoder, kept_chunks
from embedge.calibration.evaluation.faces import FaceFiles
from embedge.calibration.evaluation.figures import Acquisition, Comparison, Key, Side
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.evaluation.judge import judged_scores
from embedge.calibration.identification import IdentificationRates, identification, searched
from embedge.calibration.pairs import pairs_streamed
from embedge.calibration.protocols.ijb import IjbSet, SearchList
from embedge.calibration.protocols.templates import templates_from_chunks
from embedge.calibration.scores import Float32
from embedge.calibration.trials.pairwise import RunOptions
from embedge.calibration.trials.result import Evaluated, Templates

__all__ = ["IjbTrial"]

_FPIRS = (0.1, 0.01)


@dataclass(frozen=True, slots=True, eq=False)
class IjbTrial:
    """`protocols` are any of "1:1" and "1:N"."""

    data: IjbSet
    protocols: tuple[str, ...] = ("1:1", "1:N")

    @property
    def faces(self) -> FaceFiles:
        return self.data.faces

    @property
    def subjects(self) -> NDArray[np.int64]:
        return self.data.subjects()

    def findings(self, _: Sequence[str]) -> list[DataFault]:
        return []  # its templates repeat pictures on purpose

    def run(
        self, side: Side, encoder: FeatureEncoder, options: RunOptions
    ) -> tuple[Evaluated, None]:
        """Templates, not pictures, are compared: there is no evidence of single faces."""
        data, failures = self.data, dict[str, str]()
        chunks = kept_chunks(data.faces, encoder, options.cache, options.ticker)
        rows, exists = templates_from_chunks(
            _noted(chunks, failures),
            data.detector_scores,
            data.templates,
            data.media,
            encoder.contract.dim,
        )
        one, many = ("1:1" in self.protocols), ("1:N" in self.protocols)
        measured = Evaluated(
            Acquisition.of(len(data.faces), failures),
            comparison=self._verified(side, rows, exists, options) if one else None,
            templates=Templates(len(rows), int((~exists).sum())),
            identification=self._searches(rows, exists) if many else {},
        )
        return measured, None

    def _verified(
        self, side: Side, rows: Float32, exists: NDArray[np.bool_], options: RunOptions
    ) -> Comparison:
        kept = np.cumsum(exists) - 1
        blocks = (
            (kept[pairs[usable]].astype(np.int32), same[usable])
            for pairs, same in self.data.pair_blocks()
            for usable in [exists[pairs].all(axis=1)]
        )
        scores = pairs_streamed(rows[exists], self.data.subjects()[exists], blocks)
        return judged_scores(Key(side, side), scores, options.fmrs, options.threshold)

    def _searches(self, rows: Float32, exists: NDArray[np.bool_]) -> dict[str, IdentificationRates]:
        galleries, probes = self.data.searches()
        asked = probes.rows[exists[probes.rows]]
        owners = _owners(probes, exists)
        found = {}
        for gallery in galleries:
            held = gallery.rows[exists[gallery.rows]]
            result = searched(rows[held], _owners(gallery, exists), rows[asked], owners)
            found[gallery.name] = identification(result, len(held), _FPIRS)
        return found


def _noted(chunks: Iterator[Chunk], failures: dict[str, str]) -> Iterator[Chunk]:
    for chunk in chunks:
        failures.update(chunk.failures)
        yield chunk


def _owners(part: SearchList, exists: NDArray[np.bool_]) -> NDArray[np.int64]:
    return part.subjects[exists[part.rows]]
