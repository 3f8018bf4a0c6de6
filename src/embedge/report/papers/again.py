"""Where a document does not say what was measured again: counts first, then what follows.

Another processor, batch or thread changes the last digits of a cosine, and whatever lies that near
a threshold may turn: two comparisons of a count. Figures of a record in which nothing turned are
held to a millionth, others to what two comparisons of theirs change. What turned is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from embedge.calibration.evaluation.integrity import WORDS
from embedge.printed import counted
from embedge.typed import plain

__all__ = ["TURNED", "Again", "measured_again"]

# verdicts follow from the figures beside them, or the document is not even read
_NOT_MEASURED = {"created", "command", "versions", "verdict", "shaped"}
_REPEATED = 1e-6  # of a figure, from the same counts
_COSINE = 1e-5  # what another processor, batch or thread changes
TURNED = 2  # comparisons that such a change may turn
_REACH = 4  # how much farther the ends of an interval go than its rate when comparisons turn
_NEEDS = 0.1  # of the people it takes: the clustering of the highest thirty, one of whom may turn
_COSINES = {"threshold", "edges"}
_RATES = {"rate", "tar", "fmr", "fnmr", "far", "frr"}
_OF_IMPOSTORS = ("fmr", "far")
_FOLLOW = {"ratio", "worst", "best"}  # of groups: an annex that contradicts itself is not read
# counts of decisions: all others are of pictures, people and pairs, which nothing turns
_DECIDED = {
    *("accepted", "rejected", "false_matches", "false_non_matches", "negative", "positive"),
    *("people_losing", "most_of_one_person", "people_by_losses", "histogram"),
}
Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """`differing`: places that nothing explains; `turned`: decisions, and what each count was."""

    differing: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Around:
    """Comparisons that the rates of a record are of, and the fewest errors of its groups; whether
    any decision of it, or of what it lies in, has turned."""

    genuine: int = 0
    impostor: int = 0
    turned: bool = False
    errors: int = 0

    def within(self, stated: dict[str, Any], measured: dict[str, Any]) -> "_Around":
        turned = any(stated.get(key) != measured.get(key) for key in _RATES | _DECIDED)
        around = replace(self, turned=turned or self.turned)
        if "false_matches" in measured and "comparisons" in measured:
            return replace(around, impostor=int(measured["comparisons"]))
        if "negative" in measured and "comparisons" in measured:
            return replace(around, genuine=int(measured["comparisons"]))
        if isinstance(measured.get("groups"), list):
            was, now = _errors_of(stated.get("groups")), _errors_of(measured["groups"])
            return replace(around, errors=min(now, default=0), turned=was != now)
        for found in (measured, measured.get("comparison"), measured.get("paragon")):
            if isinstance(found, dict) and type(found.get("genuine")) is int:
                of_both = int(found["genuine"]), int(found.get("impostor") or 0)
                return replace(around, genuine=of_both[0], impostor=of_both[1])
        return around


def _errors_of(groups: Any) -> list[int]:
    """Of two turned decisions a ratio of few errors knows little."""
    some = groups if isinstance(groups, list) else []
    return [int(one.get(kind) or 0) for one in some for kind in ("false_matches", "rejected")]


def measured_again(stated: Any, measured: Any) -> Again:
    found = Again()
    _compare(plain(stated), plain(measured), (), _Around(), found)
    return found


def _compare(stated: Any, measured: Any, place: Place, around: _Around, found: Again) -> None:
    if place[-1:] == ("findings",) and isinstance(stated, list) and isinstance(measured, list):
        _compare_findings(stated, measured, place, found)
    elif isinstance(stated, dict) and isinstance(measured, dict):
        around = around.within(stated, measured)
        for key in sorted((stated.keys() | measured.keys()) - _NOT_MEASURED):
            _compare(stated.get(key), measured.get(key), (*place, key), around, found)
    elif isinstance(stated, list) and isinstance(measured, list) and len(stated) == len(measured):
        for number, both in enumerate(zip(stated, measured)):
            _compare(*both, (*place, f"[{number}]"), around, found)
    elif not _same(stated, measured, place, around):
        found.differing.append(_told(place))
    elif type(stated) is int and stated != measured and "histogram" not in place:
        found.turned.append(f"{_told(place)} {stated} → {measured}")


def _compare_findings(stated: list[Any], measured: list[Any], place: Place, found: Again) -> None:
    """By their codes: what a cosine decides may turn, and its sentence says its own count."""
    was, now = ({str(one["code"]): one for one in some} for some in (stated, measured))
    for code in sorted(was.keys() | now.keys()):
        before, after = was.get(code), now.get(code)
        counts = [0 if one is None else int(one["count"]) for one in (before, after)]
        if code in WORDS and 0 < abs(counts[0] - counts[1]) <= TURNED:
            found.turned.append(f"{_told((*place, code))} {counts[0]} → {counts[1]}")
            after = before and {**before, "what": counted(counts[0], *WORDS[code])}
        _compare(before, after, (*place, code), _Around(), found)


def _told(place: Place) -> str:
    return ".".join(place).replace(".[", "[")


def _same(stated: Any, measured: Any, place: Place, around: _Around) -> bool:
    numbers = (int, float)
    if type(stated) is bool or not isinstance(stated, numbers) or not isinstance(measured, numbers):
        return bool(stated == measured) or ({"above"} | _FOLLOW >= {place[-1]} and around.turned)
    apart = abs(stated - measured)
    if isinstance(measured, int) and isinstance(stated, int):
        if place[-1] == "needs":
            return apart <= _NEEDS * measured
        return apart <= (TURNED if _DECIDED & set(place) else 0)
    names = [name for name in place if not name.startswith("[")]
    if _COSINES & set(names[-1:]) or names[-2:] == ["threshold", "value"]:
        return apart <= _COSINE
    if names[-1] in _FOLLOW and around.turned:
        return True
    if names[-1] == "at_least" and around.turned:
        return apart <= abs(measured) * TURNED * _REACH / max(around.errors, 1)
    return apart <= _REPEATED * abs(measured) + _slack(names, around)


def _slack(names: Sequence[str], around: _Around) -> float:
    """A threshold is a score itself: as many lie above it on every processor."""
    impostors = any(part in name for name in names[-2:] for part in _OF_IMPOSTORS)
    comparisons = around.impostor if impostors else around.genuine
    if not around.turned or not comparisons or "threshold" in names:
        return 0.0
    return TURNED / comparisons * (1 if names[-1] in _RATES else _REACH)
