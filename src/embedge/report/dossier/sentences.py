"""What the figures of a dossier say in the sentences of its checklist."""

from collections.abc import Mapping
from dataclasses import replace

from embedge.calibration.differentials.annex import GroupAnnex
from embedge.calibration.evaluation.figures import Comparison
from embedge.report.dossier.checklist import STATED, Entry, checklist
from embedge.report.dossier.dossier import Dossier, DossierFaces, Operation, TestedSystem

__all__ = ["missaid", "retold", "sentences"]


def sentences(
    system: TestedSystem,
    faces: DossierFaces,
    at: Operation,
    comparison: Comparison,
    annex: tuple[GroupAnnex, ...],
    stated: Mapping[str, str],
) -> tuple[Entry, ...]:
    """The checklist, with what the tester `stated`."""
    partly = ["groups"] if any(one.ungrouped for one in annex) else []
    return checklist(_answers(system, faces, at, comparison, annex), stated, partly)


def retold(stated: Dossier, measured: Dossier) -> Dossier:
    """What was measured, its checklist in the sentences that the stated figures have.

    So whoever compares both holds figures against figures, and each sentence against its own.
    """
    known = {one.item: one.answer for one in measured.checklist if one.item in STATED}
    return replace(measured, checklist=_follows(stated, known))


def missaid(found: Dossier) -> list[str]:
    """Items of the checklist that say something else than the figures beside them."""
    follows = _follows(found, {one.item: one.answer for one in found.checklist})
    return sorted({one.item for one in {*found.checklist} ^ {*follows}})


def _follows(figures: Dossier, stated: Mapping[str, str]) -> tuple[Entry, ...]:
    of = figures
    return sentences(of.system, of.faces, of.operation, of.comparison, of.annex, stated)


def _answers(
    system: TestedSystem,
    faces: DossierFaces,
    at: Operation,
    comparison: Comparison,
    annex: tuple[GroupAnnex, ...],
) -> dict[str, str]:
    """What the measurement itself can tell of the checklist."""
    left_out = f"the first {faces.per_person} pictures of each person"
    return {
        "kind": "technology test: stored, aligned pictures; no person was present",
        "system": f"{system.side}, sha256 {system.sha256}, on {system.provider}",
        "corpus": f"{faces.name}, fingerprint {faces.fingerprint}",
        "size": f"{faces.people:,} people, {faces.pictures:,} pictures, {comparison.genuine:,}"
        f" genuine and {comparison.impostor:,} impostor comparisons (every pair once)",
        "selection": f"people with two pictures or more, {left_out if faces.per_person else 'all'}",
        "separation": "none is on the list of people trained on"
        if faces.trained_on == "checked"
        else "",
        "threshold": f"{at.threshold.value:.4f} for an FMR of {at.threshold.fmr_target:g}, set on"
        f" {at.threshold.subjects:,} people; from {at.threshold_from}",
        "attempts": "one: every rate is per comparison",
        "acquisition": f"{faces.acquisition.failed:,} of {faces.acquisition.attempted:,} pictures",
        "matching": f"{at.false_matches:,} false matches, {at.rejected:,} false non-matches",
        "system_rates": f"FAR {at.far:.3g}, FRR {at.frr:.3g}",
        "curve": f"{len(comparison.det.fmr)} points" if comparison.det else "",
        "uncertainty": "two-sided 95 % intervals on people: FNMR by weighing them at random, one"
        " more being rejected (Gaffke), FMR by the doubt that comparisons of one person share and"
        " one more of the heaviest lump; FMR of groups by the linearised rate",
        "groups": ", ".join(_told_of(one) for one in annex),
        "attacks": "not part of a technology test of comparison (ISO/IEC 30107-3 is about them)",
        "deviations": "faces came aligned: detection is not part of the failure to acquire",
    }


def _told_of(one: GroupAnnex) -> str:
    return f"{one.attribute} ({one.ungrouped.words})" if one.ungrouped else one.attribute
