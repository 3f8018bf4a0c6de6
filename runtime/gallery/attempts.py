"""Failed attempts in a row make the next one wait; counted in the gallery's file."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from embedge.errors import EmbedgeError
from embedge.runtime.gallery.enrolment import checked_name
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.notes import ATTEMPTS, attempt_number
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.policy import Policy

__all__ = ["AttemptGuard"]

_LAST = 1e15  # seconds: beyond it a float does not count them singly
_MOST = 16_384  # people with failures that are remembered
_STRANGERS = ""  # nobody's name: the count of all whom nobody is enrolled as


@dataclass(slots=True)
class AttemptGuard:
    """One count for all threads and processes that share the gallery, and for after a restart.

    Each person enrolled has a count of their own. All other names share one: however many are
    tried, nobody's failures are forgotten for them.
    """

    gallery: Gallery  # opened writable
    policy: Policy
    clock: Callable[[], float] = time.time

    def begin(self, subject: str) -> None:
        """Count an attempt before it is made, or raise while the subject has to wait.

        It counts as failed until `succeeded` says otherwise: whoever stops in between gains
        nothing, and of many at once no more pass than the policy allows.
        """
        name, now = checked_name(subject), self._now()
        with self.gallery.mirror.writing() as (connection, seen):
            ledger, state = seen.ledger, seen.state
            notes = ledger.notes.read(connection, state, ATTEMPTS)
            number = _number(seen, name)
            failures, last = notes.get(number, (0, now))
            wait = self._wait(failures, now - last)
            if wait > 0 and last <= now:
                raise _too_many(failures, wait)
            if number not in notes and len(notes) >= _MOST:
                state = self._forget_one(connection, ledger, state, notes, now)
            # the clock was set back: the wait begins anew, or it would last until `last` again
            note = (failures, now) if wait > 0 else (failures + 1, now)
            state = ledger.notes.put(connection, state, ATTEMPTS, number, note)
            self.gallery.mirror.put(connection, state)
        if wait > 0:
            raise _too_many(failures, wait)

    def succeeded(self, subject: str) -> None:
        """Success forgets the failures before it."""
        with self.gallery.mirror.writing() as (connection, seen):
            number = _number(seen, checked_name(subject))
            state = seen.ledger.notes.put(connection, seen.state, ATTEMPTS, number, None)
            self.gallery.mirror.put(connection, state)

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

    def _forget_one(
        self,
        connection: Connection,
        ledger: Ledger,
        state: State,
        notes: dict[int, Any],
        now: float,
    ) -> State:
        """The oldest that counts no more; where all do, nobody new may try.

        After the longest delay for each failure a guess is as rare as where all had been kept.
        """
        free = [
            (last, number)
            for number, (failures, last) in notes.items()
            if now - last >= self.policy.longest_delay * failures
        ]
        if free:
            return ledger.notes.put(connection, state, ATTEMPTS, min(free)[1], None)
        raise EmbedgeError(
            "E-ATTEMPTS",
            f"{len(notes)} others have failed attempts that still count",
            remedy="Try again later, or use another way to log in",
        )


def _number(seen: Seen, name: str) -> int:
    known = seen.number(name) is not None
    return attempt_number(seen.state, seen.named(name) if known else _STRANGERS)


def _too_many(failures: int, wait: float) -> EmbedgeError:
    return EmbedgeError(
        "E-ATTEMPTS",
        f"{failures} attempts in a row have failed",
        remedy=f"Try again in {math.ceil(wait)} seconds, or use another way to log in",
    )
