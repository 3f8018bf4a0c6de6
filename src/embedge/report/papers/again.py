"""Where a document does not say what was measured again: counts first, then what follows.

Another processor, batch or thread changes the last digits of a cosine, and whatever lies that near
a threshold may turn: two comparisons of a count, and a rate by as much, wholly. What turned is
told, and only the intervals beside it may move; all other figures are held to a millionth. A bin
of a histogram may turn by as many as lie within that noise of its edges. What the same bytes are
called is told, and no difference.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from embedge.calibration.evaluation.integrity import WORDS
from embedge.printed import counted
from embedge.typed import plain

__all__ = ["TURNED", "Again", "measured_again"]

# verdicts follow from the figures beside them, or the document is not even read
_NOT_MEASURED = {"created", "command", "versions", "verdict", "shaped"}
_REPEATED = 1e-6  # of a figure, from the same counts
_WHOLE = 1e-6  # of what one comparison is of a rate
_COSINE = 1e-5  # what another processor, batch or thread changes
TURNED = 2  # comparisons that such a change may turn
_NOISE = 1e-6  # of a cosine: ten times the deviation between two processors
_REACH = 4  # how much farther the ends of an interval go than its rate when comparisons turn
_NEEDS = 0.1  # of the people it takes: the clustering of the highest thirty, one of whom may turn
_COSINES = {"threshold", "edges"}
_RATES = {"rate", "tar", "fmr", "fnmr"}
_UNTURNED = {"threshold", "fta"}
_OF_IMPOSTORS = ("fmr", "far", "measured", "false_matches")
_BOTH = ("genuine", "impostor")
_FOLLOW = {"ratio", "worst", "best"}  # of groups: an annex that contradicts itself is not read
# counts of decisions: all others are of pictures, people and pairs, which nothing turns
_DECIDED = {
    *("accepted", "rejected", "of_rejected", "false_matches", "false_non_matches"),
    *("negative", "positive", "people_losing", "most_of_one_person", "people_by_losses"),
}
# what a model or the faces are called, beside the digests that say which they are
_CALLED = {("side",), ("gallery",), ("probe",), ("old",)}
_DATASET = re.compile(r"(.*?) ?([0-9a-f]{12}, threshold people.*)")
Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """`differing`: places that nothing explains; `turned`: decisions, and what each count was.

    `names`: of models and faces, as stated and as measured, and where.
    """

    differing: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    names: list[tuple[str, str, str, str]] = field(default_factory=list)

    @property
    def renamed(self) -> list[str]:
        both = dict.fromkeys((was, now) for _, was, now, _ in self.names if was != now)
        return [f"{was} → {now}" for was, now in both]

    def require_one_name_each(self) -> None:
        """One model called by two names, or two by one, is no renaming."""
        for side in (1, 2):
            known = dict[tuple[str, str], set[str]]()
            for one in self.names:
                known.setdefault((one[0], one[side]), set()).add(one[3 - side])
            if any(len(others) > 1 for others in known.values()):
                self.differing.extend(place for _, was, now, place in self.names if was != now)
                self.names.clear()


@dataclass(frozen=True, slots=True)
class _Around:
    """Comparisons that the rates of a record are of, and the fewest errors of its groups.

    Of whom decisions turned in it or in what it lies in (`above`), and whether a count tells so.
    """

    genuine: int = 0
    impostor: int = 0
    turned: frozenset[str] = frozenset()
    above: frozenset[str] = frozenset()
    counted: bool = False
    errors: int = 0

    def within(self, stated: dict[str, Any], measured: dict[str, Any], name: str) -> "_Around":
        turned = frozenset(_turned(stated, measured, name))
        counted_here = any(stated.get(key) != measured.get(key) for key in _DECIDED)
        counted = counted_here or (self.counted and name in _RATES | {"measured"})
        around = replace(self, turned=turned, above=self.turned, counted=counted)
        if "false_matches" in measured and "comparisons" in measured:
            return replace(around, impostor=int(measured["comparisons"]))
        if "negative" in measured and "comparisons" in measured:
            return replace(around, genuine=int(measured["comparisons"]))
        if isinstance(measured.get("groups"), list):
            was, now = _errors_of(stated.get("groups")), _errors_of(measured["groups"])
            both = frozenset(_BOTH if was != now else ())
            return replace(around, errors=min(now, default=0), turned=both)
        for found in (measured, measured.get("comparison"), measured.get("paragon")):
            if isinstance(found, dict) and type(found.get("genuine")) is int:
                of_both = int(found["genuine"]), int(found.get("impostor") or 0)
                return replace(around, genuine=of_both[0], impostor=of_both[1])
        return around

    @property
    def kinds(self) -> frozenset[str]:
        return self.turned | self.above


def _turned(stated: Any, measured: Any, name: str, *, deep: bool = True) -> Iterator[str]:
    """Of whom counts or rates differ, here or one record deeper; each is held by itself, too."""
    for key in measured:
        was, now = stated.get(key), measured[key]
        if isinstance(was, dict) and isinstance(now, dict):
            if deep and key not in _NOT_MEASURED:
                yield from _turned(was, now, key, deep=False)
        elif key in _DECIDED and was != now:
            yield _kind((name, key))
        elif _is_rate((name, key)):
            some = (one if isinstance(one, list) else [one] for one in (was, now))
            if any(_apart(*both) for both in zip(*some)):
                yield from _BOTH if name == "eer" else (_kind((name, key)),)


def _apart(stated: Any, measured: Any) -> bool:
    """Of two numbers: whatever else a record holds is no decision."""
    if not isinstance(stated, (int, float)) or not isinstance(measured, (int, float)):
        return False
    return abs(stated - measured) > _REPEATED * abs(measured)


def _kind(names: Sequence[str]) -> str:
    impostors = any(part in name for name in names[-2:] for part in _OF_IMPOSTORS)
    return "impostor" if impostors else "genuine"


def _errors_of(groups: Any) -> list[int]:
    """Of two turned decisions a ratio of few errors knows little."""
    some = groups if isinstance(groups, list) else []
    return [int(one.get(kind) or 0) for one in some for kind in ("false_matches", "rejected")]


def measured_again(stated: Any, measured: Any) -> Again:
    found = Again()
    _compare(plain(stated), plain(measured), (), _Around(), found)
    found.require_one_name_each()
    return found


def _compare(stated: Any, measured: Any, place: Place, around: _Around, found: Again) -> None:
    if place[-1:] == ("findings",) and isinstance(stated, list) and isinstance(measured, list):
        _compare_findings(stated, measured, place, found)
    elif (names := _names_of(stated, measured, place)) is not None:
        found.names.append((*names, _told(place)))
    elif isinstance(stated, dict) and isinstance(measured, dict):
        around = around.within(stated, measured, _names(place)[-1])
        for key in sorted((stated.keys() | measured.keys()) - _NOT_MEASURED):
            _compare(stated.get(key), measured.get(key), (*place, key), around, found)
    elif isinstance(stated, list) and isinstance(measured, list) and len(stated) == len(measured):
        if place[-2:-1] == ("histogram",) and place[-1] in _BOTH:
            stated = _turned_back(stated, measured)
        for number, both in enumerate(zip(stated, measured)):
            _compare(*both, (*place, f"[{number}]"), around, found)
    elif not _same(stated, measured, place, around):
        found.differing.append(_told(place))
    elif type(stated) is int and stated != measured:
        found.turned.append(f"{_told(place)} {stated} → {measured}")
    elif _is_rate(place) and _apart(stated, measured) and not around.counted:
        found.turned.append(f"{_told(place)} {stated:.6g} → {measured:.6g}")


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


def _turned_back(stated: list[Any], measured: list[int]) -> list[Any]:
    """The bins as measured, where no more differ than lie so near both edges, evenly spread."""
    padded = [0, *measured, 0]
    found = []
    for was, *around in zip(stated, padded, measured, padded[2:]):
        near = (around[0] + 2 * around[1] + around[2]) * len(measured) / 2 * _NOISE
        turned = type(was) is int and abs(was - around[1]) <= max(TURNED, near + 3 * near**0.5)
        found.append(around[1] if turned else was)
    return found


def _names_of(stated: Any, measured: Any, place: Place) -> tuple[str, str, str] | None:
    """Of faces, and of a network that lies in a file: a bundle's name is among its bytes."""
    if place[-1:] in _CALLED and all(_in_a_file(one) for one in (stated, measured)):
        return "model", str(stated["model"]), str(measured["model"])
    if not isinstance(stated, str) or not isinstance(measured, str):
        return None
    if place == ("faces", "name"):
        return "faces", stated, measured
    was, now = _DATASET.fullmatch(stated), _DATASET.fullmatch(measured)
    if place[-1] == "dataset" and was and now and was[2] == now[2]:
        return "faces", was[1], now[1]
    return None


def _in_a_file(side: Any) -> bool:
    named = isinstance(side, dict) and side.keys() == {"model", "artifact"}
    return named and side["artifact"] is None


def _told(place: Place) -> str:
    return ".".join(place).replace(".[", "[")


def _same(stated: Any, measured: Any, place: Place, around: _Around) -> bool:
    numbers = (int, float)
    if type(stated) is bool or not isinstance(stated, numbers) or not isinstance(measured, numbers):
        return bool(stated == measured) or (
            {"above"} | _FOLLOW >= {place[-1]} and bool(around.kinds)
        )
    apart = abs(stated - measured)
    if isinstance(measured, int) and isinstance(stated, int):
        if place[-1] == "needs":
            return apart <= _NEEDS * measured
        return apart <= (TURNED if _DECIDED & set(place) else 0)
    names = _names(place)
    if _COSINES & set(names[-1:]) or names[-2:] == ["threshold", "value"]:
        return apart <= _COSINE
    if names[-1] in _FOLLOW and around.turned:
        return True
    if names[-1] == "at_least" and around.turned:
        return apart <= abs(measured) * TURNED * _REACH / max(around.errors, 1)
    if not _apart(stated, measured):
        return True
    if _is_rate(place):
        return any(abs(apart - step) <= _WHOLE * step for step in _steps(names, around))
    return apart <= _slack(names, around)


def _names(place: Place) -> list[str]:
    return ["", *(name for name in place if not name.startswith("["))]


def _is_rate(place: Place) -> bool:
    """A rate of decisions: not the one asked for, and none of a threshold's people or pictures."""
    names = _names(place)
    return names[-1] in _RATES | {"value"} and not _asked(names) and not _UNTURNED & set(names)


def _asked(names: Sequence[str]) -> bool:
    return names[-1] == "fmr" and names[-2] in ("tar", "claim")


def _steps(names: Sequence[str], around: _Around) -> Iterator[float]:
    """By how much so many decisions change it; an equal error rate is the mean of two."""
    both = [1 / max(1, one) for one in (around.genuine, around.impostor)]
    if "eer" in names:
        for mates in range(-TURNED, TURNED + 1):
            for strangers in range(-TURNED, TURNED + 1):
                yield abs(mates * both[0] + strangers * both[1]) / 2
    else:
        yield from (count * both[_kind(names) == "impostor"] for count in range(1, TURNED + 1))


def _slack(names: Sequence[str], around: _Around) -> float:
    """A threshold is a score itself: as many lie above it on every processor."""
    kind = _kind(names)
    comparisons = around.impostor if kind == "impostor" else around.genuine
    if not around.kinds or (kind == "impostor" and kind not in around.kinds):
        return 0.0
    return 0.0 if _asked(names) or _UNTURNED & set(names) else TURNED * _REACH / max(1, comparisons)
