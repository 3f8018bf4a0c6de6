"""Every figure of a certificate against plain loops, to the twelfth digit."""

import numpy as np
import pytest
from paper_oracle import Oracle, binomial, impostor_interval, mover, proportion
from two_models import measured, seen

from embedge.calibration.compatibility.backfill import SHARES
from embedge.calibration.compatibility.figures import ArtifactCompatibility, Replacement, System
from embedge.calibration.evaluation.figures import Rate
from embedge.calibration.evaluation.judge import Subject as Rows
from embedge.calibration.evaluation.judge import scores_of

SEED = 3


@pytest.fixture(scope="module", params=[(0.8, 0.2), (1.0, 0.9)], ids=["near", "far"])
def both(request: pytest.FixtureRequest) -> tuple[Oracle, System, ArtifactCompatibility, object]:
    found = seen(old=request.param[0], new=request.param[1])
    paragon, one = measured(found, seed=SEED)
    old, new, people = found
    oracle = Oracle(old[people.judged], new[people.judged], people.tested.tolist())
    return oracle, paragon, one, found


def near(rate: Rate, told: tuple[float, float, float]) -> None:
    assert (rate.rate, rate.low, rate.high) == pytest.approx(told, abs=1e-12)


def cells(paragon: System, one: ArtifactCompatibility) -> list[tuple[str, str, System]]:
    return [
        ("old", "old", paragon),
        ("old", "new", one.cross),
        ("new", "old", one.reverse),
        ("new", "new", one.alone),
    ]


def test_the_matrix(both) -> None:
    oracle, paragon, one, (old, new, people) = both
    rows = {"old": old[people.judged], "new": new[people.judged]}
    for gallery, probe, system in cells(paragon, one):
        accepts = oracle.accepts(gallery, probe, system.threshold.value)
        assert (system.genuine, system.accepted) == (len(accepts), sum(accepts.values()))
        near(system.tar, oracle.tar(accepts))
        twice = 2 if gallery == probe else 1  # one model's pairs count once
        wrong = len(oracle.false_matches(gallery, probe, system.threshold.value)) / twice
        assert system.false_matches == wrong
        assert system.impostor == len(oracle.pairs(same=False)) / twice
        subjects = Rows(system.gallery, rows[gallery]), Rows(system.probe, rows[probe])
        low, high, _ = impostor_interval(
            scores_of(*subjects, people.tested), system.threshold.value
        )
        near(system.fmr, (wrong / system.impostor, low, high))


def test_thresholds_say_what_they_did_on_the_other_people(both) -> None:
    _, paragon, one, (old, new, people) = both
    others = Oracle(
        old[people.calibrate], new[people.calibrate], people.labels[people.calibrate].tolist()
    )
    for gallery, probe, system in cells(paragon, one):
        limit = system.threshold
        # the threshold is one of these scores itself, in single precision
        wrong = len(others.false_matches(gallery, probe, limit.value + 1e-6))
        assert limit.fmr == pytest.approx(wrong / len(others.pairs(same=False)), abs=1e-12)
        assert limit.fmr <= limit.fmr_upper <= limit.fmr_target


def test_what_the_cross_test_replaces(both) -> None:
    oracle, paragon, one, _ = both
    after = oracle.accepts("old", "new", one.cross.threshold.value)
    for told, gallery, system in (
        (one.asymmetric, "new", one.alone),
        (one.backward, "old", paragon),
    ):
        before = oracle.accepts(gallery, gallery, system.threshold.value)
        replacement(oracle, told, before, after)
    gap = one.backward.difference
    assert one.paragon_gap.value == pytest.approx(-gap.value, abs=1e-12)
    assert (one.paragon_gap.low, one.paragon_gap.high) == (-gap.high, -gap.low)
    way = paragon.tar.rate - one.alone.tar.rate
    gain = (one.cross.tar.rate - one.alone.tar.rate) / way if way > 0 else None
    assert one.update_gain == (pytest.approx(gain, abs=1e-12) if gain is not None else None)


def replacement(oracle: Oracle, told: Replacement, before: dict, after: dict) -> None:
    lost = {pair: before[pair] and not after[pair] for pair in before}
    won = {pair: after[pair] and not before[pair] for pair in before}
    flips = told.flips
    assert (flips.negative, flips.positive) == (sum(lost.values()), sum(won.values()))
    negative, positive = proportion(oracle.marks(lost)), proportion(oracle.marks(won))
    near(flips.negative_rate, negative)
    near(flips.positive_rate, positive)
    value, low, high = mover(positive, negative)
    assert (told.difference.value, told.difference.low, told.difference.high) == pytest.approx(
        (value, low, high), abs=1e-12
    )
    assert told.above == (value > 0)
    losses = oracle.losses(before, after)
    losing = sum(count > 0 for count in losses.values())
    assert (flips.people, flips.people_losing) == (len(losses), losing)
    near(flips.losing, (losing / len(losses), *binomial(losing, len(losses))))
    assert flips.most_of_one_person == max(losses.values())
    spread = [sum(min(count, 4) == number for count in losses.values()) for number in range(5)]
    assert list(flips.people_by_losses) == spread


def test_the_backfill_curve(both) -> None:
    oracle, _, one, _ = both
    names = sorted(set(oracle.labels))
    order = [names[n] for n in np.random.default_rng(SEED).permutation(len(names))]
    limits = {"old": one.cross.threshold.value, "new": one.alone.threshold.value}
    accepts = {who: oracle.accepts(who, "new", limit) for who, limit in limits.items()}
    wrong = {who: oracle.false_matches(who, "new", limit) for who, limit in limits.items()}
    for share, point in zip(SHARES, one.backfill, strict=True):
        again = set(order[: round(share * len(names))])
        assert (point.share, point.people) == (share, len(again))
        mixed = {
            (a, b): accepts["new" if oracle.labels[a] in again else "old"][a, b]
            for a, b in oracle.pairs(same=True)
        }
        near(point.tar, oracle.tar(mixed))
        false = sum(oracle.labels[a] in again for a, _ in wrong["new"]) + sum(
            oracle.labels[a] not in again for a, _ in wrong["old"]
        )
        assert point.fmr == pytest.approx(false / len(oracle.pairs(same=False)), abs=1e-12)
        found = oracle.rank1(again)
        missed = proportion([(person, not first) for person, first in found])
        first = sum(first for _, first in found) / len(found)
        near(point.rank1, (first, 1 - missed[2], 1 - missed[1]))
