from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from two_spaces import people, rotation, strangers, unit

from embedge.calibration.bridging.agreement import (
    Agreement,
    agreement,
    kept_at_least,
    unlabelled_threshold,
)
from embedge.calibration.bridging.attack import attack, looked_up
from embedge.calibration.bridging.labelled import (
    Labelled,
    People,
    calibrated,
    drawn,
    labelled_evidence,
)
from embedge.calibration.bridging.report import judged_bridge
from embedge.calibration.bridging.shores import require_unseen
from embedge.calibration.bridging.verdict import (
    Decided,
    Demands,
    Partial,
    partial_of,
    verdict,
)
from embedge.calibration.people.splits import split_subjects
from embedge.errors import EmbedgeError
from embedge.runtime.bridge import Bridge, End

FMRS = (1e-1, 1e-2)
DEMANDS = Demands(1e-2, 0.9)


def known_people(**options: Any) -> People:
    return People(*people(60, **options))


def identity(dim: int) -> Bridge:
    return Bridge.from_matrix(End("a", "", dim), End("b", "", dim), np.eye(dim, dtype=np.float32))


def naive_tar(gallery: np.ndarray, probe: np.ndarray, labels: np.ndarray, fmr: float) -> float:
    genuine: list[float] = []
    impostor: list[float] = []
    for a in range(len(labels)):
        for b in range(len(labels)):
            if a != b:
                (genuine if labels[a] == labels[b] else impostor).append(gallery[a] @ probe[b])
    limit = sorted(impostor)[len(impostor) - 1 - int(fmr * len(impostor))]
    return float(np.mean(np.asarray(genuine) > limit))


def test_points_are_those_of_a_naive_count() -> None:
    group = known_people(dims=(40, 40))
    bridge = identity(40)
    found = labelled_evidence(bridge, group, FMRS, fmr=1e-2, dataset="made up")
    for point in found.points:
        wanted = naive_tar(group.old, group.new, group.labels, point.fmr)
        assert point.bridged == pytest.approx(wanted, abs=1e-6)
        old = naive_tar(group.old, group.old, group.labels, point.fmr)
        assert point.old == pytest.approx(old, abs=1e-6)
        assert point.kept == pytest.approx(point.bridged / min(point.old, point.new))
        # flips account for the whole difference between the two rates
        assert point.won - point.lost == round((point.bridged - point.old) * 60 * 6)
    assert found.threshold is not None
    assert found.on_others is not None
    assert found.on_others.at_threshold.threshold == found.threshold.value


def test_agreement_falls_with_noise_and_the_promise_with_it() -> None:
    _, native = strangers(800, (40, 40))
    random, noises, promises = np.random.default_rng(0), [], []
    for amount in (0.0, 0.05, 0.1, 0.2):
        rows = unit(native + amount * random.normal(size=native.shape))
        found = agreement(rows, native, FMRS)
        noises.append(found.noise)
        promises.append(found.promised(1e-2))
    assert noises == sorted(noises)
    assert noises[0] < 1e-3
    assert promises == sorted(promises, reverse=True)
    assert promises[0] > 0.999 > promises[-1]


def test_nothing_is_promised_past_what_was_looked_at() -> None:
    assert kept_at_least(0.1, 1e-6) == 0
    assert kept_at_least(5.0, 1e-2) == 0
    assert kept_at_least(0.65, 1e-4) < kept_at_least(0.65, 1e-3)
    assert kept_at_least(0.65, 5e-4) == kept_at_least(0.65, 1e-4)


def test_the_threshold_of_strangers_holds_on_others() -> None:
    old, new = strangers(1500, (40, 40))
    limit = unlabelled_threshold(old, new, 1e-2, dataset="made up")
    assert limit is not None
    assert limit.fmr_upper <= 1e-2
    fresh_old, fresh_new = strangers(800, (40, 40), seed=77)
    scores = fresh_old @ fresh_new.T
    np.fill_diagonal(scores, -1)
    assert (scores > limit.value).mean() <= 1e-2
    assert unlabelled_threshold(old[:20], new[:20], 1e-4, dataset="few") is None


def test_who_looks_up_what() -> None:
    group = known_people(dims=(40, 40))
    found = attack(group.new, group.new, group)
    assert found.templates == 60
    assert found.searches == 120
    assert found.rank1 == found.native > 0.9
    turned = (group.new @ rotation(40, 4).T).astype(np.float32)
    assert attack(turned, group.new, group).rank1 < 0.2
    blind = attack(group.new, group.new, None)
    assert (blind.rank1, blind.blind, blind.labelled) == (1.0, 1 / 180, False)
    assert looked_up(group.new, group.new[::-1].copy()) < 0.1


@pytest.fixture(scope="module")
def evidence() -> tuple[Agreement, Labelled]:
    group = known_people(dims=(40, 40))
    agreed = agreement(group.new, group.new, FMRS)
    found = labelled_evidence(identity(40), group, FMRS, fmr=1e-2, dataset="made up")
    return agreed, found


def told(
    evidence: tuple[Agreement, Labelled],
    partial: Partial | None = None,
    rank1: float = 1.0,
    noise: float = 0.1,
    few: bool = False,
    bridge: Bridge | None = None,
    **changes: Any,
) -> Decided:
    agreed, found = evidence
    agreed = replace(agreed, rank1=rank1, noise=noise)
    points = tuple(
        replace(point, **{"old": 0.99, "new": 0.99, "kept": 0.99, **changes})
        for point in found.points
    )
    found = replace(found, points=() if few else points)
    return verdict(bridge or identity(40), agreed, found, DEMANDS, partial)


def test_verdicts(evidence: tuple[Agreement, Labelled]) -> None:
    assert told(evidence).decision in ("go", "go, stricter threshold")
    assert told(evidence, rank1=0.5).decision == "no"
    assert told(evidence, kept=0.85).decision == "no"
    assert told(evidence, old=0.6).decision == "no"
    assert "the old model" in told(evidence, old=0.6).reasons[0]
    assert "the new model" in told(evidence, new=0.6).reasons[0]
    helpful, vain = Partial(0.5, 0.2, 0.95), Partial(0.5, 0.2, 0.88)
    assert told(evidence, helpful, kept=0.85).decision == "partial"
    assert told(evidence, vain, kept=0.85).decision == "no"


def test_a_threshold_above_the_native_one_is_said(evidence: tuple[Agreement, Labelled]) -> None:
    agreed, found = evidence
    for native, wanted in ((found.threshold.value - 0.01, "go, stricter threshold"), (0.99, "go")):
        points = tuple(replace(point, old=0.9, new=0.9, kept=0.95) for point in found.points)
        one = replace(found, points=points, new_threshold=native)
        assert verdict(identity(40), agreed, one, DEMANDS).decision == wanted


def test_without_labels_the_promise_decides(evidence: tuple[Agreement, Labelled]) -> None:
    agreed, _ = evidence
    bridge = identity(40)
    good = verdict(bridge, replace(agreed, rank1=1.0, noise=0.5, doubt=""), None, DEMANDS)
    bad = verdict(bridge, replace(agreed, rank1=1.0, noise=1.1), None, DEMANDS)
    assert (good.decision, bad.decision) == ("go, stricter threshold", "no")
    assert told(evidence, few=True, noise=1.1).decision == "no"
    same = Bridge(
        bridge.source, bridge.target, bridge.linear, bridge.offset, facts={"kind": "identity"}
    )
    assert "one space" in verdict(same, agreed, None, DEMANDS).reasons[0]
    few = replace(agreed, rank1=1.0, noise=0.5, doubt="too few faces")
    assert verdict(bridge, few, None, DEMANDS).decision == "no"
    assert "about 9" in verdict(bridge, few, None, DEMANDS).reasons[0]


@pytest.mark.parametrize("changes", [{"rank1": 0.5}, {"kept": 0.5}, {"new": 0.5}])
def test_one_space_is_no_go_against_the_evidence(
    evidence: tuple[Agreement, Labelled], changes: dict[str, Any]
) -> None:
    one = replace(identity(40), facts={"kind": "identity"})
    assert told(evidence, bridge=one).decision.startswith("go")
    assert "one space" in told(evidence, bridge=one).reasons[0]
    assert told(evidence, bridge=one, **changes).decision == "no"


def test_a_threshold_of_strangers_is_called_stricter_and_what_it_costs_is_said() -> None:
    group = known_people(dims=(40, 40))
    asked: dict[str, Any] = {"candidates": {}, "known": (), "datasets": ("strangers", "made up")}
    native = strangers(1500, (40, 40))[1]
    for limit, labelled in ((1e-3, group), (1e-2, None)):
        demands = Demands(limit, 0.5)
        _, report = judged_bridge(identity(40), (native, native), labelled, demands, **asked)
        assert report.threshold_from == "unlabelled strangers"
        if labelled is None:
            assert report.accepted is None, "no two pictures show one face"
            continue
        scores = group.old @ group.new.T
        own = (group.labels[:, None] == group.labels) & ~np.eye(len(group.labels), dtype=bool)
        share = (scores[own] > np.float32(report.threshold.value)).mean()
        assert report.accepted.share == pytest.approx(share)
        assert f"{share:.1%} of {own.sum()} comparisons" in report.verdict.reasons[-1]
        assert report.verdict.decision in ("go, stricter threshold", "no")


def test_what_is_promised_is_counted_by_faces_not_by_pictures() -> None:
    """Pictures of few people: nothing but their own pictures is near, and all know each other."""
    random = np.random.default_rng(0)
    _, native = strangers(60, (40, 40))
    many = unit(np.repeat(native, 8, axis=0) + 0.02 * random.normal(size=(480, 40)))
    rows = unit(many + 0.03 * random.normal(size=many.shape))
    found = agreement(rows, many, FMRS)
    assert found.faces == 60
    assert "60 faces" in found.doubt
    assert found.rank1 == 1, "another picture of the face is no miss"
    once = agreement(rows[::8], many[::8], FMRS)
    assert found.noise == pytest.approx(once.noise, rel=0.3)
    strange = strangers(500, (40, 40))[1]
    assert not agreement(strange, strange, FMRS).doubt
    away = unit(strange + 1.0)
    assert "origin" in agreement(away, away, FMRS).doubt


def test_rows_that_the_map_was_fitted_to_do_not_judge_it() -> None:
    group, (old, new) = known_people(), strangers(300)
    require_unseen(group, [old], [new])
    require_unseen(None, [old], [new])
    rounded = np.clip(np.round(group.new * 400 + 128), 0, 255).astype(np.float32)
    for seen in (
        ([np.concatenate([old, group.old[7:9]])], [new]),
        ([old], [new, unit(group.new[7:9].astype(np.float16).astype(np.float32))]),
    ):
        with pytest.raises(EmbedgeError) as refused:
            require_unseen(group, *seen)
        assert refused.value.code == "E-BRIDGE-PEOPLE"
        assert "2 of the labelled rows (the first is 8)" in refused.value.what
    offset = replace(group, new=unit(rounded))
    require_unseen(offset, [old], [unit(np.round(new * 400 + 128))])


def test_who_is_enrolled_again_is_whom_the_gauge_doubts() -> None:
    """A fifth of the people are mapped to nonsense, and their old templates show it."""
    group = known_people(dims=(40, 40))
    doubtful = group.labels % 5 == 0
    rows = np.where(doubtful[:, None], np.roll(group.new, 7, axis=1), group.new)
    old = unit(np.column_stack([rows, np.where(doubtful, 0.5, 0.0)]))
    gauge = np.zeros(42, np.float32)
    gauge[0], gauge[-1] = 0.9, -1
    ends = End("a", "", 41), End("b", "", 40)
    bridge = replace(Bridge.from_matrix(*ends, np.eye(40, 41, dtype=np.float32)), gauge=gauge)
    told = People(old, group.new, group.labels)
    whole = labelled_evidence(bridge, told, (1e-2,), fmr=1e-2, dataset="made up")
    found = partial_of(bridge, told, DEMANDS, dataset="made up")
    assert found.share == pytest.approx(0.2)
    assert found.kept > 0.99 > whole.points[0].kept
    assert partial_of(identity(40), group, DEMANDS, dataset="made up") is None


def test_the_map_carries_stricter_thresholds_and_the_limit_of_a_partial_verdict() -> None:
    group = known_people(dims=(40, 40))
    strict = labelled_evidence(identity(40), group, FMRS, fmr=1e-1, dataset="made up")
    assert strict.threshold is not None
    (stricter,) = strict.stricter
    assert stricter.fmr_upper <= 1e-2 < strict.threshold.fmr_upper
    assert stricter.value > strict.threshold.value
    held_out = group.old, group.new
    asked: dict[str, Any] = {"candidates": {}, "known": (), "datasets": ("strangers", "made up")}
    bridge, report = judged_bridge(identity(40), held_out, group, Demands(1e-1, 0.5), **asked)
    assert report.verdict.partial is None
    assert "enrol_again_up_to" not in bridge.facts
    assert [point.fmr_target for point in bridge.operating_points] == [1e-1, 1e-2]
    gauged = replace(identity(40), gauge=np.eye(1, 41, 3, np.float32)[0])
    kept = labelled_evidence(gauged, group, FMRS, fmr=1e-2, dataset="made up").point_at(1e-2)
    best = partial_of(gauged, group, Demands(1e-2, 0.5), dataset="made up")
    assert best is not None
    assert kept is not None
    demand = (kept.kept + best.kept) / 2
    bridge, report = judged_bridge(gauged, held_out, group, Demands(1e-2, demand), **asked)
    if best.kept > kept.kept:
        assert report.verdict.decision == "partial"
        assert bridge.facts["enrol_again_up_to"] == best.limit
    else:
        assert report.verdict.decision != "partial"


def test_the_threshold_holds_for_templates_that_are_drawn_together_too() -> None:
    group = known_people(dims=(40, 40))
    moved = drawn(group.old, group.labels)
    for row, label, old in zip(moved, group.labels, group.old, strict=True):
        mean = group.old[group.labels == label].mean(axis=0)
        np.testing.assert_allclose(row, old + mean, atol=1e-6)
    found = labelled_evidence(identity(40), group, (1e-2,), fmr=1e-2, dataset="made up")
    chosen, _ = split_subjects(group.labels, 0)
    assert found.threshold is not None
    for rows in (group.old, identity(40).apply(moved)):
        limit, _ = calibrated(rows, group, chosen, 1e-2, dataset="made up")
        assert limit is not None
        assert found.threshold.value >= limit.value
