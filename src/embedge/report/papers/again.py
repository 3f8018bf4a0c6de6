"""Where a document does not say what was measured again: counts first, then what follows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from embedge.typed import plain

__all__ = ["differing"]

# verdicts follow from the figures beside them, or the document is not even read
_NOT_MEASURED = {"created", "command", "versions", "verdict", "shaped"}
_REPEATED = 1e-6  # of a figure, from the same counts
_COSINE = 1e-5  # what another processor, batch or thread changes
_TURNED = 2  # comparisons that such a change may turn
_REACH = 4  # how much farther the ends of an interval go than its rate when comparisons turn
_COSINES = {"threshold", "edges"}
_RATES = {"rate", "tar", "fmr", "fnmr", "far", "frr"}
_OF_IMPOSTORS = ("fmr", "far")
# counts of decisions: all others are of pictures, people and pairs, which nothing turns
_DECIDED = {
    *("accepted", "rejected", "false_matches", "false_non_matches", "negative", "positive"),
    *("people_losing", "most_of_one_person", "people_by_losses", "histogram"),
}
Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Around:
    """Comparisons that the rates of a record are of; whether any of its decisions has turned."""

    genuine: int = 0
    impostor: int = 0
    turned: bool = False

    def within(self, stated: dict[str, Any], measured: dict[str, Any]) -> "_Around":
        turned = any(stated.get(key) != measured.get(key) for key in _RATES | _DECIDED)
        for found in (measured, measured.get("comparison"), measured.get("paragon")):
            if isinstance(found, dict) and type(found.get("genuine")) is int:
                return _Around(found["genuine"], int(found.get("impostor") or 0), turned)
        return replace(self, turned=turned)


def differing(stated: Any, measured: Any) -> list[str]:
    places: list[str] = []
    _compare(plain(stated), plain(measured), (), _Around(), places)
    return places


def _compare(stated: Any, measured: Any, place: Place, around: _Around, places: list[str]) -> None:
    if isinstance(stated, dict) and isinstance(measured, dict):
        around = around.within(stated, measured)
        for key in sorted((stated.keys() | measured.keys()) - _NOT_MEASURED):
            _compare(stated.get(key), measured.get(key), (*place, key), around, places)
    elif isinstance(stated, list) and isinstance(measured, list) and len(stated) == len(measured):
        for number, both in enumerate(zip(stated, measured)):
            _compare(*both, (*place, f"[{number}]"), around, places)
    elif not _same(stated, measured, place, around):
        places.append(".".join(place).replace(".[", "["))


def _same(stated: Any, measured: Any, place: Place, around: _Around) -> bool:
    numbers = (int, float)
    if type(stated) is bool or not isinstance(stated, numbers) or not isinstance(measured, numbers):
        return bool(stated == measured)
    apart = abs(stated - measured)
    if isinstance(measured, int) and isinstance(stated, int):
        return apart <= (_TURNED if _DECIDED & set(place) else 0)
    names = [name for name in place if not name.startswith("[")]
    if _COSINES & set(names[-1:]) or names[-2:] == ["threshold", "value"]:
        return apart <= _COSINE
    return apart <= _REPEATED * abs(measured) + _slack(names, around)


def _slack(names: Sequence[str], around: _Around) -> float:
    """A threshold is a score itself: as many lie above it on every processor."""
    impostors = any(part in name for name in names[-2:] for part in _OF_IMPOSTORS)
    comparisons = around.impostor if impostors else around.genuine
    if not around.turned or not comparisons or "threshold" in names:
        return 0.0
    return _TURNED / comparisons * (1 if names[-1] in _RATES else _REACH)
