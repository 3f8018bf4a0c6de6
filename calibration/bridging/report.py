"""Everything that is known of a bridge, and the same in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.bridging.accepted import Accepted, accepted_at
from embedge.calibration.bridging.agreement import Agreement, agreement, unlabelled_threshold
from embedge.calibration.bridging.attack import Attack, Known, attack
from embedge.calibration.bridging.labelled import Labelled, People, labelled_evidence
from embedge.calibration.bridging.verdict import Decided, Demands, partial_of, verdict
from embedge.calibration.people.alike import OFF_CENTRE, alike
from embedge.calibration.scores import Float32
from embedge.runtime.bridge import Bridge, End
from embedge.runtime.bridge.bridge import Fact
from embedge.runtime.threshold import Threshold

__all__ = ["BridgeReport", "judged_bridge", "text_of"]

SCHEMA = "embedge.bridge-report/1"
FMRS = (1e-2, 1e-3, 1e-4, 1e-5)


@dataclass(frozen=True, slots=True)
class BridgeReport:
    """`candidates` are the kinds of map by their mean cosine on left-out pictures.

    `not_checked` is what nothing that was given could tell. `accepted` is said of a threshold
    that comes from unlabelled strangers.
    """

    schema: str
    source: End
    target: End
    verdict: Decided
    demands: Demands
    map: dict[str, Fact]
    candidates: dict[str, float]
    agreement: Agreement
    labelled: Labelled | None
    threshold: Threshold | None
    threshold_from: str
    attack: Attack
    not_checked: tuple[str, ...] = ()
    accepted: Accepted | None = None


def judged_bridge(
    bridge: Bridge,
    held_out: tuple[Float32, Float32],
    people: People | None,
    demands: Demands,
    *,
    candidates: Mapping[str, float],
    known: Sequence[Known],
    datasets: tuple[str, str],
    not_checked: tuple[str, ...] = (),
    faces: NDArray[np.int64] | None = None,
) -> tuple[Bridge, BridgeReport]:
    """The bridge with its own threshold, and the evidence: labelled people are asked first."""
    fmrs = tuple(sorted({*FMRS, demands.fmr}, reverse=True))
    whose = alike(*held_out) if faces is None else faces
    agreed = agreement(*held_out, fmrs, whose)
    labelled = partial = None
    if people is not None:
        labelled = labelled_evidence(bridge, people, fmrs, fmr=demands.fmr, dataset=datasets[1])
        point = labelled.point_at(demands.fmr)
        if point is not None and point.kept < demands.keep:
            partial = partial_of(bridge, people, demands, dataset=datasets[1])
    threshold, source = (labelled.threshold if labelled else None), "labelled people"
    mapped = held_out if people is None else (bridge.apply(people.old), people.new)
    decided, accepted = verdict(bridge, agreed, labelled, demands, partial), None
    if threshold is None:
        source = "unlabelled strangers"
        threshold = unlabelled_threshold(*held_out, demands.fmr, dataset=datasets[0])
        if threshold is not None:
            names = whose if people is None else people.labels
            accepted = accepted_at(threshold.value, *mapped, names, known=people is not None)
    decided = replace(decided, reasons=(*decided.reasons, *_notes(accepted, held_out[1])))
    limit = {"enrol_again_up_to": decided.partial.limit} if decided.partial else {}
    stricter = labelled.stricter if labelled else ()
    own = replace(bridge, facts={**bridge.facts, **limit}).with_threshold(threshold, stricter)
    return own, BridgeReport(
        SCHEMA,
        bridge.source,
        bridge.target,
        decided,
        demands,
        dict(bridge.facts),
        dict(candidates),
        agreed,
        labelled,
        threshold,
        source if threshold else "insufficient data",
        attack(*mapped, people, known),
        not_checked,
        accepted,
    )


def _notes(accepted: Accepted | None, native: Float32) -> Iterator[str]:
    if accepted is not None:
        of = "one person" if accepted.known else "what seems to be one face"
        yield (
            f"at the threshold of unlabelled strangers {accepted.share:.1%} of {accepted.pairs:,}"
            f" comparisons of pictures of {of} are accepted"
        )
    if (away := float(np.linalg.norm(native.mean(axis=0)))) > OFF_CENTRE:
        yield (
            f"the new model's embeddings lie {away:.2f} from the origin, so that all cosines are"
            " near each other: take off what its maker adds (a zero point), if you can"
        )


def text_of(report: BridgeReport) -> str:
    source, target, facts = report.source, report.target, report.map
    lines = [
        f"{source.space} ({source.dim}-d) -> {target.space} ({target.dim}-d)",
        f"  map        {facts['kind']} {facts['setting']}, {facts['pictures']:,} pictures,"
        f" {facts['views']} view(s); cosine on left-out ones {facts['cosine']:.3f}",
        f"  verdict    {report.verdict.decision.upper()}",
        *(f"             {reason}" for reason in report.verdict.reasons),
        *(f"  unchecked  {what}" for what in report.not_checked),
    ]
    if partial := report.verdict.partial:
        lines.append(f"             enrol again: foretold cosine under {partial.limit:.3f}")
    if report.labelled:
        lines += ["", *_table(report.labelled)]
    lines += ["", *_unlabelled(report), *_attack(report.attack)]
    return "\n".join(lines)


def _table(labelled: Labelled) -> list[str]:
    one = labelled.comparisons[2]
    lines = [
        f"  {one.subjects:,} people, {one.genuine:,} genuine and {one.impostor:,} impostor pairs",
        "  FMR      old/old  new/new  bridged/new [95 %]        kept     lost    won",
    ]
    for point in labelled.points:
        tar = one.tar_at(point.fmr)
        band = f"[{tar.low:7.2%} {tar.high:7.2%}]" if tar and tar.low and tar.high else ""
        lines.append(
            f"  {point.fmr:<8.0e} {point.old:7.2%}  {point.new:7.2%}  {point.bridged:7.2%} {band}"
            f"  {point.kept:7.2%}  {point.lost:5,}  {point.won:5,}"
        )
    if labelled.on_others and (at := labelled.on_others.at_threshold):
        lines.append(
            f"  threshold of bridged templates {at.threshold:.3f} (half of the people); on the"
            f" others FMR {at.fmr.rate:.1e} [{at.fmr.low:.1e} {at.fmr.high:.1e}],"
            f" FNMR {at.fnmr.rate:.2%}"
        )
    return lines


def _unlabelled(report: BridgeReport) -> list[str]:
    agreed = report.agreement
    promised = ", ".join(f"{one.kept:.1%} at {one.fmr:.0e}" for one in agreed.promises)
    lines = [
        f"  unlabelled: about {agreed.faces:,} faces; of {agreed.pictures:,} left-out pictures"
        f" {agreed.rank1:.1%} find their own; order {agreed.order:.3f}, noise {agreed.noise:.2f}",
        f"  promised without labels, of the new model's own TAR:"
        f" {'about' if agreed.doubt else 'at least'} {promised}",
    ]
    if report.threshold is not None:
        lines.append(
            f"  threshold  {report.threshold.value:.3f} for FMR {report.threshold.fmr_target:g},"
            f" from {report.threshold_from}"
        )
    else:
        lines.append(
            f"  threshold  NONE: these people and pictures do not carry FMR {report.demands.fmr:g}"
        )
    return lines


def _attack(found: Attack) -> list[str]:
    what = "another picture of the person" if found.labelled else "the same picture"
    lines = [
        f"  attack: whoever holds old templates finds {what} among {found.templates:,} templates of"
        f" the new system in {found.rank1:.1%} of look-ups (by guessing {found.blind:.2%})"
    ]
    if found.known:
        known = ", ".join(f"{one.rank1:.0%} with {one.pairs:,}" for one in found.known)
        lines.append(
            f"          knowing pairs of other people: {known}; a secret rotation is no help"
        )
    return lines
