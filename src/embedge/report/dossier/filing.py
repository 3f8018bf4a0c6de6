"""From a model, faces and what the tester states, to a dossier."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.compatibility.people_needed import require_people
from embedge.calibration.compatibility.shares import share_of_comparisons
from embedge.calibration.compatibility.systems import People
from embedge.calibration.differentials.annex import GroupAnnex, group_annex, rejections
from embedge.calibration.evaluation.figures import Acquisition, Comparison, Key
from embedge.calibration.evaluation.judge import judged_scores
from embedge.calibration.evaluation.slices import group_labels
from embedge.calibration.evaluation.subjects import EvaluatedModel, opened_model, pixel_digest
from embedge.calibration.pairs import pairs_within
from embedge.calibration.people.splits import split_subjects
from embedge.calibration.rates import Insufficient, false_match_rate
from embedge.calibration.scores import PairScores
from embedge.calibration.thresholds import threshold_at
from embedge.errors import EmbedgeError
from embedge.printed import now_in_utc
from embedge.progress import Progress
from embedge.report.dossier.checklist import STATED
from embedge.report.dossier.dossier import (
    Dossier,
    DossierFaces,
    LeftOut,
    Operation,
    TestedSystem,
    generalised,
)
from embedge.report.dossier.sentences import sentences
from embedge.report.dossier.shapes import shaped_verdicts
from embedge.report.papers.faces import (
    TestedFaces,
    data_faults,
    embed_all,
    require_unleaked,
    tested_faces,
)
from embedge.runtime.threshold import Threshold

__all__ = ["DossierOrder", "filed", "read_statement"]

_PACKAGES = ("embedge", "numpy", "onnxruntime")
_FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
_DIGITS = 2e-6  # of a cosine: twenty times what another batch or processor changes


@dataclass(frozen=True, slots=True)
class DossierOrder:
    """What `embedge dossier` is told."""

    model: str
    faces: Path
    groups: Path | None
    statement: Path | None
    fmr: float
    per_person: int | None
    seed: int
    trained_on: Path | None
    cache: Path | None
    threads: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """Rows that are judged, by which threshold, and where that came from."""

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: list[str]
    scores: PairScores
    threshold: Threshold
    source: str
    left_out: LeftOut | None = None


def filed(asked: DossierOrder, command: str, progress: Progress) -> Dossier:
    """Measure, and fill in the checklist; what would prove nothing is refused."""
    stated = read_statement(asked.statement)
    model = opened_model(asked.model, threads=asked.threads)
    tested = tested_faces(asked.faces, asked.per_person, progress)
    checked = require_unleaked(tested, asked.trained_on)
    provider = model.encoder.provider
    (view,) = embed_all(tested, [model], asked.cache, progress)
    findings = data_faults(tested, view.embeddings, view.acquired)
    judged = _judged(asked, model, tested, view.embeddings, view.acquired)
    faces = DossierFaces(
        tested.name,
        tested.fingerprint,
        len(np.unique(judged.labels)),
        len(judged.labels),
        asked.per_person,
        asked.seed,
        replace(Acquisition.of(len(view.acquired), view.failures), failures={}),
        share_of_comparisons(tested.labels, ~view.acquired),
        "checked" if checked else "not checked",
        tuple(replace(one, examples=()) for one in findings),
    )
    comparison = judged_scores(
        Key(model.side, model.side), judged.scores, _FMRS, judged.threshold.value
    )
    operation = _operation(judged, comparison, faces)
    annex = _annex(asked, judged)
    contract = model.encoder.contract
    system = TestedSystem(model.side, model.digest, contract.digest, model.contract_from, provider)
    return Dossier(
        created=now_in_utc(),
        command=command,
        system=system,
        faces=faces,
        operation=operation,
        comparison=comparison,
        annex=annex,
        checklist=sentences(system, faces, operation, comparison, annex, stated),
        shaped=shaped_verdicts(operation.error_rates(comparison.subjects)),
        versions={name: version(name) for name in _PACKAGES},
    )


def _judged(
    asked: DossierOrder,
    model: EvaluatedModel,
    tested: TestedFaces,
    embeddings: NDArray[np.float32],
    good: NDArray[np.bool_],
) -> _Judged:
    """By the threshold that the bundle brings, on everybody; else by one set on half of them."""
    rows, labels = embeddings[good], tested.labels[good]
    names = [name for name, kept in zip(tested.faces.names, good) if kept]
    if model.threshold is not None:
        known = setters(tested, good, model.set_on)
        rows, labels = rows[~known], labels[~known]
        names = [name for name, theirs in zip(names, known) if not theirs]
        if len(np.unique(labels)) < 2 and known.any():
            raise _set_here(model.threshold)
        scores = _compared(rows, labels)
        require_other_people(model.threshold, scores, tested.fingerprint, told=bool(model.set_on))
        source = _beforehand(model.set_on, len(np.unique(tested.labels[good][known])))
        theirs = _left_out(embeddings[good][known], tested.labels[good][known], model.threshold)
        return _Judged(rows, labels, names, scores, model.threshold, source, theirs)
    calibrate, others = split_subjects(labels, asked.seed)
    dataset = f"{tested.name} {tested.fingerprint[:12]}, threshold people"
    people = People(labels, calibrate, others, dataset)
    threshold = _set_on(rows[calibrate], labels[calibrate], asked.fmr, people.dataset, model.digest)
    kept = [name for name, chosen in zip(names, others) if chosen]
    scores = _compared(rows[others], labels[others])
    source = f"{threshold.subjects} other people of the same set, drawn at random"
    return _Judged(rows[others], labels[others], kept, scores, threshold, source)


def _compared(rows: NDArray[np.float32], labels: NDArray[np.int64]) -> PairScores:
    scores = pairs_within(rows, labels)
    if not len(scores.genuine) or not scores.impostors:
        raise EmbedgeError(
            "E-FEW-PEOPLE",
            "there are no two people to be judged, or none of them has two readable pictures",
            remedy="Bring more people with two pictures or more",
        )
    return scores


def _left_out(
    rows: NDArray[np.float32], labels: NDArray[np.int64], threshold: Threshold
) -> LeftOut | None:
    people, (whose, marked) = len(np.unique(labels)), rejections(rows, labels, threshold.value)
    if not len(marked):
        return None
    fnmr = share_of_comparisons(whose, marked)
    return LeftOut(people, len(marked), int(marked.sum()), fnmr)


def setters(
    tested: TestedFaces, good: NDArray[np.bool_], set_on: frozenset[str]
) -> NDArray[np.bool_]:
    """All pictures of people of whom one picture set the bundle's threshold."""
    rows, labels = np.flatnonzero(good), tested.labels[good]
    if not set_on:
        return np.zeros(len(rows), bool)
    seen = [pixel_digest(tested.faces.read(int(row))) in set_on for row in rows]
    return np.isin(labels, labels[seen])


def _beforehand(set_on: frozenset[str], left_out: int) -> str:
    if not set_on:
        return "the bundle, which set it beforehand and does not tell on which pictures"
    told = f"; {left_out:,} of these people set it and are left out" if left_out else ""
    return f"the bundle, which set it beforehand, on none of the pictures judged{told}"


def _set_here(threshold: Threshold) -> EmbedgeError:
    return EmbedgeError(
        "E-THRESHOLD-PEOPLE",
        f"the threshold {threshold.value:.4f} was chosen on the people of this test",
        remedy="Judge it on other people, or leave the bundle's threshold out",
    )


def require_other_people(
    threshold: Threshold, scores: PairScores, fingerprint: str, *, told: bool = False
) -> None:
    """Refuse a threshold that was chosen on the very people it is to be judged on.

    Its own evidence gives it away: as many people and comparisons, and the comparison that it lies
    on, with as many above. Equal counts alone prove nothing: sets of one size repeat them, and no
    false match is what most have. Whoever is `told` on which pictures it was set knows already.
    """
    same = (threshold.subjects, threshold.impostors) == (scores.subjects, scores.impostors)
    # that comparison is embedded again, to the last digits; another lies so near by chance alone
    above, below = (false_match_rate(scores, threshold.value + s * _DIGITS) for s in (1, -1))
    here = same and not told and above <= threshold.fmr < below
    if fingerprint[:12] in threshold.dataset or here:
        raise _set_here(threshold)


def _set_on(
    rows: NDArray[np.float32], labels: NDArray[np.int64], fmr: float, dataset: str, model: str
) -> Threshold:
    require_people(len(np.unique(labels)), fmr, "set a threshold")
    found = threshold_at(pairs_within(rows, labels), fmr, dataset=dataset, model=model)
    if isinstance(found, Insufficient):
        raise EmbedgeError(
            "E-FEW-PEOPLE",
            f"no threshold can be set for an FMR of {fmr:g}: {found}",
            remedy="Bring more people, or ask for a higher --fmr",
        )
    return found


def _operation(judged: _Judged, comparison: Comparison, faces: DossierFaces) -> Operation:
    threshold = judged.threshold
    at = comparison.at_threshold
    assert at is not None, "there are comparisons of both kinds"
    wrong = judged.scores.impostors_above(threshold.value)
    fta = faces.fta
    return Operation(
        threshold,
        judged.source,
        wrong,
        at.fmr,
        at.fmr.high,
        round(at.fnmr.rate * comparison.genuine),
        at.fnmr,
        at.fmr.rate * (1 - fta.rate),
        generalised(fta.rate, at.fnmr.rate),
        generalised(fta.high, at.fnmr.high),
        judged.left_out,
    )


def _annex(asked: DossierOrder, judged: _Judged) -> tuple[GroupAnnex, ...]:
    if asked.groups is None:
        return ()
    labels = group_labels(asked.groups, judged.names)
    target = judged.threshold.fmr_target
    return group_annex(judged.rows, judged.labels, labels, judged.threshold.value, target)


def read_statement(path: Path | None) -> Mapping[str, str]:
    """What the tester states: a JSON object of texts, each under the name of its item."""
    if path is None:
        return {}
    try:
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise ValueError("it is no object of texts")
    except (OSError, ValueError) as error:
        raise _bad_statement(path, str(error)) from error
    if unknown := sorted(value.keys() - STATED.keys()):
        raise _bad_statement(path, f"there is no item {unknown[0]!r}")
    return value


def _bad_statement(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-DOSSIER-STATEMENT",
        f"the statement cannot be used: {what}",
        where=path,
        remedy=f"Write a JSON object with any of: {', '.join(STATED)}",
    )
