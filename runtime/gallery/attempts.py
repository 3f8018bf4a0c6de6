"""Failed attempts in a row make the next one wait; counted in the gallery's file."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from embedge.errors import EmbedgeError
from embedge.runtime.gallery.enrolment import checked_name, folded
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.notes import ATTEMPTS, attempt_number
from embedge.runtime.policy import LONGEST, Policy

__all__ = ["AttemptGuard"]

_LAST = 1e15  # seconds: beyond it a float does not count them singly
_MOST = 16_384  # names with failures that are remembered
_CLOCKS = 8  # that disagree, of one note
_ALL = ""  # nobody's name: what all have failed, less what has run off


@dataclass(slots=True)
class AttemptGuard:
    """One count for all threads and processes that share the gallery, and for after a restart.

    Every name has a count of its own, whether somebody is enrolled under it or not, so that no
    answer tells who is; it is kept under a keyed hash of the name. What all names fail together is
    limited too, to as much as the table of counts can hold: nobody's is forgotten for another's.
    """

    gallery: Gallery  # opened writable
    policy: Policy
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        fits = {
            "gallery": isinstance(self.gallery, Gallery),
            "policy": isinstance(self.policy, Policy),
            "clock": callable(self.clock),
        }
        for name in (name for name, fit in fits.items() if not fit):
            raise EmbedgeError(
                "E-OPTION",
                f"the {name} of a guard cannot be {type(getattr(self, name)).__name__}",
                remedy="Give a gallery opened for writing, a Policy, and a clock as time.time",
            )

    def begin(self, subject: str) -> None:
        """Count an attempt before it is made, or raise while the subject has to wait.

        It counts as failed until `succeeded` says otherwise: whoever stops in between gains
        nothing, and of many at once no more pass than the policy allows.
        """
        name, now = checked_name(subject), self._now()

        def note(connection: Connection, seen: Seen) -> EmbedgeError | None:
            refused = None
            ledger, state = seen.ledger, seen.state
            notes = ledger.notes.read(connection, state, ATTEMPTS)
            number, all_names = _number(seen, name), attempt_number(state, _ALL)
            try:
                changed = self._counted(notes, number, all_names, now)
            except _Refused as error:
                changed, refused = error.noted, error.told
            for one, note in changed.items():
                state = ledger.notes.put(connection, state, ATTEMPTS, one, note)
            if changed:
                self.gallery.mirror.put(connection, state)
            return refused

        if refused := self.gallery.mirror.write(note):
            raise refused

    def _counted(
        self, notes: dict[int, Any], number: int, all_names: int, now: float
    ) -> dict[int, Any]:
        """What changes, or whoever tries has to wait."""
        failures, *known = notes.get(number, (0, now))
        delay = self._delay(failures)
        own = _Clocks.of(known, now, self.policy.longest_delay - delay)
        if (wait := delay - own.since) > 0:
            raise _Refused(_too_many(failures, wait), {number: (failures, *own.met())})
        level, *known = notes.get(all_names, (0, now))
        every = _Clocks.of(known, now, self._between)
        level = max(0.0, level - max(0.0, every.since) / self._between)
        if level >= self.policy.together:
            raise _Refused(self._flooded(level), {all_names: (notes[all_names][0], *every.met())})
        others = {one: note for one, note in notes.items() if one != all_names}
        return {
            **dict.fromkeys(self._forgotten(others, number, now)),
            number: (failures + 1, *own.passed()),
            all_names: (level + 1, *every.passed()),
        }

    def succeeded(self, subject: str) -> None:
        """Success forgets the failures before it."""
        name = checked_name(subject)

        def note(connection: Connection, seen: Seen) -> None:
            notes, state = seen.ledger.notes, seen.state
            number, all_names = _number(seen, name), attempt_number(state, _ALL)
            known = notes.read(connection, state, ATTEMPTS)
            failures, *_ = known.get(number, (0, 0.0))
            level, *clocks = known.get(all_names, (0, 0.0))
            state = notes.put(connection, state, ATTEMPTS, number, None)
            if level:
                left = max(level - failures, 0), *clocks
                state = notes.put(connection, state, ATTEMPTS, all_names, left)
            self.gallery.mirror.put(connection, state)

        self.gallery.mirror.write(note)

    @property
    def _between(self) -> float:
        """Seconds from one to the next, once all names together have failed too often."""
        return max(self.policy.longest_delay, 1e-9) / max(_MOST - self.policy.together, 1e-9)

    def _flooded(self, level: float) -> EmbedgeError:
        """`level` is what all have failed, less what a table of counts has forgotten since."""
        between, together = self._between, self.policy.together
        return EmbedgeError(
            "E-ATTEMPTS",
            f"attempts on all names together have failed {together} times: one in {between:.2g}"
            " seconds is let through, whoever comes first",
            remedy=f"Try again in {math.ceil((level - together + 1) * between)} seconds, or use"
            " another way to log in; keep whoever floods it away from the guard",
        )

    def _now(self) -> float:
        """Compared with what is no number nobody would ever have to wait."""
        now = self.clock()
        if isinstance(now, int | float) and abs(now) < _LAST:
            return now
        raise EmbedgeError(
            "E-ATTEMPTS",
            f"no attempt is let through while the clock gives no time: {now!r:.40}",
            remedy="Give a clock that counts seconds, as time.time does",
        )

    def _delay(self, failures: int) -> float:
        if failures < self.policy.attempts:
            return 0.0
        beyond = min(failures - self.policy.attempts, 60)
        return min(self.policy.delay * 2.0**beyond, self.policy.longest_delay)

    def _forgotten(self, notes: dict[int, Any], number: int, now: float) -> set[int]:
        """What nobody has failed for long (of names that were erased meanwhile, too), and for a
        new number in a full table the oldest that counts no more; where all do, nobody new may try.

        After the longest delay for each failure a guess is as rare as where all had been kept.
        """
        longest = self.policy.longest_delay
        aged = {one: (each[0], _Clocks.of(each[1:], now, longest)) for one, each in notes.items()}
        old = {one for one, (failures, by) in aged.items() if by.since > LONGEST * failures}
        kept = {one: note for one, note in aged.items() if one not in old}
        if number in kept or len(kept) < _MOST:
            return old
        free = [
            (by.own, one) for one, (failures, by) in kept.items() if by.since >= longest * failures
        ]
        if free:
            return {*old, min(free)[1]}
        told = EmbedgeError(
            "E-ATTEMPTS",
            f"{len(kept)} others have failed attempts that still count",
            remedy="Try again later, or use another way to log in",
        )
        met = {one: (failures, *by.met()) for one, (failures, by) in kept.items() if by.is_new}
        raise _Refused(told, {**dict.fromkeys(old), **met})


@dataclass(frozen=True, slots=True)
class _Clocks:
    """When the last attempt was, by clocks that disagree (two doors', or one that was set).

    None sets another's time back. Whoever asks by one that is too far behind all that are `known`
    waits from then on by their own; what has passed by it when they may, has passed by those ahead.
    """

    known: tuple[float, ...]
    now: float
    own: float  # the last attempt, by the clock that is asked by

    @classmethod
    def of(cls, known: Iterable[float], now: float, ahead: float) -> "_Clocks":
        """`ahead` is how far a clock may be for whoever asks now to wait by it."""
        known = tuple(known)
        past = [one for one in known if one <= now]
        near = [one for one in known if now < one <= now + ahead]
        return cls(known, now, max(past) if past else min(near, default=now))

    @property
    def since(self) -> float:
        return self.now - self.own

    @property
    def is_new(self) -> bool:
        return self.own not in self.known and len(self.known) < _CLOCKS

    def met(self) -> tuple[float, ...]:
        """After a refusal."""
        return (*self.known, self.now) if self.is_new else self.known

    def passed(self) -> tuple[float, ...]:
        """After an attempt: clocks behind this one wait anew."""
        ahead = [one + max(0.0, self.since) for one in self.known if one > self.own]
        return (*ahead[: _CLOCKS - 1], max(self.own, self.now))


class _Refused(Exception):
    """What whoever tries is told, and what is noted all the same."""

    def __init__(self, told: EmbedgeError, noted: dict[int, Any]) -> None:
        super().__init__(told)
        self.told, self.noted = told, noted


def _number(seen: Seen, name: str) -> int:
    """Of all spellings that are folded into one, whoever is or is not enrolled."""
    return attempt_number(seen.state, folded(name))


def _too_many(failures: int, wait: float) -> EmbedgeError:
    return EmbedgeError(
        "E-ATTEMPTS",
        f"{failures} attempts in a row have failed",
        remedy=f"Try again in {math.ceil(wait)} seconds, or use another way to log in",
    )
