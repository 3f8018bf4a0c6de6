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
from embedge.runtime.policy import Policy

__all__ = ["AttemptGuard"]

_LAST = 1e15  # seconds: beyond it a float does not count them singly
_MOST = 16_384  # names with failures that are remembered
_AT_ONCE = 1024  # failures of all names together, before they are let through one by one only
_KEPT = 86_400.0  # seconds that each failure is remembered
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
        with self.gallery.mirror.writing() as (connection, seen):
            ledger, state = seen.ledger, seen.state
            notes = ledger.notes.read(connection, state, ATTEMPTS)
            number, all_names = _number(seen, name), attempt_number(state, _ALL)
            failures, last = notes.get(number, (0, now))
            wait = self._wait(failures, now - last)
            if wait > 0 and last <= now:
                raise _too_many(failures, wait)
            level, of_all = notes.pop(all_names, (0, now))
            level = self._run_off(level, now - of_all)
            for gone in self._forgotten(notes, number, now):
                state = ledger.notes.put(connection, state, ATTEMPTS, gone, None)
            # the clock was set back: the wait begins anew, or it would last until `last` again
            note = (failures, now) if wait > 0 else (failures + 1, now)
            state = ledger.notes.put(connection, state, ATTEMPTS, number, note)
            state = ledger.notes.put(connection, state, ATTEMPTS, all_names, (level + 1, now))
            self.gallery.mirror.put(connection, state)
        if wait > 0:
            raise _too_many(failures, wait)

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

    def _run_off(self, level: float, since: float) -> float:
        """What all names have failed, less what a table of their counts has forgotten since."""
        a_second = max(_MOST - _AT_ONCE, 0) / max(self.policy.longest_delay, 1e-9)
        since = max(since, 0.0) if math.isfinite(since) else 0.0
        level = max(level - since * a_second, 0.0)
        if level >= _AT_ONCE:
            raise EmbedgeError(
                "E-ATTEMPTS",
                "too many attempts have failed, on whatever names",
                remedy=f"Try again in {math.ceil((level - _AT_ONCE + 1) / max(a_second, 1e-9))}"
                " seconds, or use another way to log in",
            )
        return level

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
