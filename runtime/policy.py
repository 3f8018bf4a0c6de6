"""Policies: how strict a decision must be, how often one may try, and what 1:N costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args, get_type_hints

from embedge.errors import EmbedgeError
from embedge.runtime.threshold import Share, Threshold
from embedge.typed import Bound, Text, argument

__all__ = [
    "LONGEST",
    "NIST_800_63B",
    "Policy",
    "identification_threshold",
    "loosest",
    "require_fmr",
]


Replaces = Literal["vouched", "other factor", "never"]
LONGEST = 86_400.0  # seconds that anybody can be made to wait, and that a failure is remembered
Seconds = Annotated[float, Bound(0, LONGEST)]
_TAKEN = (
    "rates above 0 and at most 1, one attempt or more, seconds from 0 to a day, 1 to 8192 failures"
    " together, and how a bridged template is replaced: " + ", ".join(get_args(Replaces))
)


@dataclass(frozen=True, slots=True)
class Policy:
    """`max_fmr` is per comparison (1:1); `max_fpir` is per search (1:N): the chance that a
    stranger is taken for somebody. After `attempts` failures in a row the next try waits
    `delay` seconds, and twice as long after each further failure, up to `longest_delay`.

    `replaces` says when a visit may replace a bridged template by a native one: once a native
    template or another factor (a card, a PIN) vouches for the person too, only the other factor,
    or never. A decision that the bridge alone made replaces nothing.

    All names together may fail `together` times at once; after that one by one is let through, as
    fast as 16,384 counts, less these, are forgotten within `longest_delay`.
    """

    name: Text
    max_fmr: Share
    max_fpir: Share
    attempts: Annotated[int, Bound(1)]
    delay: Seconds
    longest_delay: Seconds
    replaces: Replaces = "vouched"
    together: Annotated[int, Bound(1, 8192)] = 1024

    def __post_init__(self) -> None:
        """A number that is none would compare as if there were no limit."""
        for name, kind in get_type_hints(Policy, include_extras=True).items():
            argument(kind, getattr(self, name), f"{name} of a policy", _TAKEN)
        if self.longest_delay < self.delay:
            raise EmbedgeError(
                "E-OPTION",
                f"longest_delay is {self.longest_delay:g} and delay is {self.delay:g}",
                remedy="Give a longest delay that is no shorter than the first",
            )


# SP 800-63B: FMR of 1 in 10,000 or better; without presentation attack detection no more than
# five failures in a row, then at least 30 seconds, growing exponentially.
NIST_800_63B = Policy("nist-800-63b", 1e-4, 1e-2, attempts=5, delay=30.0, longest_delay=3600.0)


def require_fmr(threshold: Threshold, policy: Policy) -> None:
    """Refuse a threshold whose proven false match rate is above the policy's."""
    if not threshold.proven:
        raise _of_ones_own(threshold, policy)
    if threshold.fmr_upper <= policy.max_fmr:
        return
    raise EmbedgeError(
        "E-OPERATING-POINT",
        f"the threshold is proven for a false match rate of {threshold.fmr_upper:.1e} only, the"
        f" policy {policy.name} allows {policy.max_fmr:.1e}",
        remedy="Calibrate the bundle at a lower rate on more impostor pairs",
    )


def _of_ones_own(threshold: Threshold, policy: Policy) -> EmbedgeError:
    return EmbedgeError(
        "E-OPERATING-POINT",
        f"the threshold is proven for no rate, and the policy {policy.name} asks for one:"
        f" {threshold.value:g} is a number of one's own",
        remedy="Leave --threshold out, or --policy; calibrate a bundle that proves nothing of it",
    )


def loosest(
    thresholds: Sequence[Threshold], fmr: float, *, whose: str = "this artifact"
) -> Threshold:
    """The lowest threshold that is proven for this false match rate."""
    fmr = argument(Share, fmr, "the false match rate (--fmr)", "a number above 0, at most 1")
    kept = [one for one in thresholds if one.proven and one.fmr_upper <= fmr]
    if kept:
        return min(kept, key=lambda threshold: threshold.value)
    known = sorted(one.fmr_upper for one in thresholds if one.proven)
    asked, *strictest = _apart(fmr, *known[:1])
    told = f"; its strictest is proven for {strictest[0]}" if strictest else ""
    raise EmbedgeError(
        "E-OPERATING-POINT",
        f"no threshold of {whose} is proven for a false match rate of {asked}{told}",
        remedy="Ask for a rate that is proven, or calibrate on more people than were held out",
    )


def _apart(*rates: float) -> list[str]:
    """In as many digits as tell them apart."""
    for digits in range(2, 17):
        told = [f"{rate:.{digits}g}" for rate in rates]
        if len(set(told)) == len(set(rates)):
            break
    return told


def identification_rate(fmr: float, people: int) -> float:
    """The chance that one of `people` independent comparisons with a stranger matches."""
    return -math.expm1(people * math.log1p(-min(fmr, 1 - 1e-12)))


def identification_threshold(
    thresholds: Sequence[Threshold], templates: int, policy: Policy
) -> Threshold:
    """The loosest threshold that keeps a search of this many templates within the policy."""
    proven = [threshold for threshold in thresholds if threshold.proven]
    kept = [
        threshold
        for threshold in proven
        if identification_rate(threshold.fmr_upper, templates) <= policy.max_fpir
    ]
    if kept:
        return min(kept, key=lambda threshold: threshold.value)
    if thresholds and not proven:
        raise _of_ones_own(thresholds[0], policy)
    strictest = min((threshold.fmr_upper for threshold in proven), default=1.0)
    reached = identification_rate(strictest, templates)
    needed = -math.expm1(math.log1p(-policy.max_fpir) / max(templates, 1))
    raise EmbedgeError(
        "E-OPERATING-POINT",
        f"searching {templates} templates at the strictest calibrated threshold would take a"
        f" stranger for somebody with a chance of {reached:.2g}, the policy {policy.name} allows"
        f" {policy.max_fpir:.2g}",
        remedy=f"Calibrate at a false match rate of {needed:.1e}, or search fewer people",
    )
