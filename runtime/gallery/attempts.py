"""Failed attempts in a row make the next one wait; counted in the gallery's file."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
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
_KEPT = LONGEST  # seconds that each failure is remembered
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
        name, now, refused = checked_name(subject), self._now(), None
        with self.gallery.mirror.writing() as (connection, seen):
            ledger, state = seen.ledger, seen.state
            notes = ledger.notes.read(connection, state, ATTEMPTS)
            number, all_names = _number(seen, name), attempt_number(state, _ALL)
            changed = self._brought_back(notes, {number: 0.0, all_names: self._between}, now)
            try:
                changed |= self._counted({**notes, **changed}, number, all_names, now)
            except EmbedgeError as error:
                refused = error
            for one, note in changed.items():
                state = ledger.notes.put(connection, state, ATTEMPTS, one, note)
            if changed:
                self.gallery.mirror.put(connection, state)
        if refused is not None:
            raise refused

    def _brought_back(
        self, notes: dict[int, Any], allowed: dict[int, float], now: float
    ) -> dict[int, Any]:
        """Waits that a clock began that was ahead begin now: else they last until its time comes.

        `allowed` is how far ahead some may be, as the clocks of two machines are.
        """
        longest = self.policy.longest_delay
        return {
            one: (count, now)
            for one, (count, last) in notes.items()
            if not last - now <= allowed.get(one, longest)  # a clock gave no time, too
        }

    def _counted(
        self, notes: dict[int, Any], number: int, all_names: int, now: float
    ) -> dict[int, Any]:
        """What changes, or whoever tries has to wait."""
        failures, last = notes.get(number, (0, now))
        if (wait := self._wait(failures, now - last)) > 0:
            raise _too_many(failures, wait)
        level, last = notes.pop(all_names, (0, now))
        level = self._run_off(level, now - last)
        gone = self._forgotten(notes, number, now)
        return {
            **dict.fromkeys(gone),
            number: (failures + 1, now),
            all_names: (level + 1, max(last, now)),
        }

    def succeeded(self, subject: str) -> None:
        """Success forgets the failures before it."""
        name = checked_name(subject)
        with self.gallery.mirror.writing() as (connection, seen):
            notes, state = seen.ledger.notes, seen.state
            number, all_names = _number(seen, name), attempt_number(state, _ALL)
            known = notes.read(connection, state, ATTEMPTS)
            failures, _ = known.get(number, (0, 0.0))
            level, last = known.get(all_names, (0, 0.0))
            state = notes.put(connection, state, ATTEMPTS, number, None)
            if level:
                left = max(level - failures, 0), last
                state = notes.put(connection, state, ATTEMPTS, all_names, left)
            self.gallery.mirror.put(connection, state)

    @property
    def _between(self) -> float:
        """Seconds from one to the next, once all names together have failed too often."""
        names = max(_MOST - self.policy.together, 0)
        return max(self.policy.longest_delay, 1e-9) / max(names, 1e-9)

    def _run_off(self, level: float, since: float) -> float:
        """What all names have failed, less what a table of their counts has forgotten since."""
        between, together = self._between, self.policy.together
        since = max(since, 0.0) if math.isfinite(since) else 0.0
        level = max(level - since / between, 0.0)
        if level < together:
            return level
        raise EmbedgeError(
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

    def _wait(self, failures: int, since: float) -> float:
        delay = self._delay(failures)
        if not math.isfinite(since):
            return delay  # a note of a clock that gave no time
        return min(delay - since, delay)  # a clock that was set back makes nobody wait longer

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
        old = {one for one, (failures, last) in notes.items() if now - last > _KEPT * failures}
        kept = {one: note for one, note in notes.items() if one not in old}
        if number in kept or len(kept) < _MOST:
            return old
        free = [
            (last, one)
            for one, (failures, last) in kept.items()
            if now - last >= self.policy.longest_delay * failures
        ]
        if free:
            return {*old, min(free)[1]}
        raise EmbedgeError(
            "E-ATTEMPTS",
            f"{len(kept)} others have failed attempts that still count",
            remedy="Try again later, or use another way to log in",
        )


def _number(seen: Seen, name: str) -> int:
    """Of all spellings that look alike, whoever is or is not enrolled."""
    return attempt_number(seen.state, folded(name))


def _too_many(failures: int, wait: float) -> EmbedgeError:
    return EmbedgeError(
        "E-ATTEMPTS",
        f"{failures} attempts in a row have failed",
        remedy=f"Try again in {math.ceil(wait)} seconds, or use another way to log in",
    )
