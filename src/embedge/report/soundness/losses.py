"""What a loss of TAR that a comparison tells cannot be, beside the two that it is between."""

from collections.abc import Iterator, Mapping, Sequence

from embedge.calibration.evaluation.figures import Comparison, Key, Loss
from embedge.calibration.intervals.binomial import rule_of_three
from embedge.calibration.intervals.interval import CONFIDENCE

__all__ = ["denied_losses", "least_reach", "lost_between"]

_SAME = 1e-9


def denied_losses(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Every impossibility, in words."""
    known = {one.key: one for one in comparisons}
    for one in comparisons:
        if one.loss is not None:
            yield from _denied(one, one.loss, known)


def _denied(one: Comparison, loss: Loss, known: Mapping[Key, Comparison]) -> Iterator[str]:
    what = f"{one.key}: its loss against {loss.reference}"
    if loss.reference == one.key or loss.reference not in known:
        yield f"{what} is against nothing that the report has"
        return
    measured = lost_between(known[loss.reference], one, loss.fmr)
    if measured is not None and abs(measured - loss.difference) > _SAME:
        yield f"{what} is {loss.difference:g}, and that of their TAR {measured:g}"
    reach = least_reach(one.subjects) - _SAME
    low, high = max(-1.0, loss.difference - reach), min(1.0, loss.difference + reach)
    if loss.low > low or loss.high < high:
        yield f"{what} has a narrower interval than {one.subjects:,} people allow"


def lost_between(
    first: Comparison | None, other: Comparison | None, fmr: float | None
) -> float | None:
    """Where too few people carry the rate, no report tells its TAR."""
    if first is None or other is None or fmr is None:
        return None
    before, after = first.tar_at(fmr), other.tar_at(fmr)
    if before is None or after is None or before.tar is None or after.tar is None:
        return None
    return before.tar - after.tar


def least_reach(people: int) -> float:
    """The least by which an end of a loss over so many people is off.

    One more person may lose everything: without any change that is the rule of three. What turned
    both ways can bring that nearer, as draws can; never by half.
    """
    return rule_of_three(people, (1 + CONFIDENCE) / 2) / 2 if people else 0.5
