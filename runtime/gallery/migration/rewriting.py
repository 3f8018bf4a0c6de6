"""One step of a migration: a transaction of its own, which needs nobody in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Connection

from embedge.errors import EmbedgeError
from embedge.runtime.gallery.mirror import Mirror
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.state import State

__all__ = ["refused", "rewriting"]


@contextmanager
def rewriting(mirror: Mirror, ledger: Ledger) -> Iterator[tuple[Connection, State]]:
    """The block puts its own state. What was rewritten is verified as a whole when it is loaded.

    A step does not look at the people in memory, so it need not load a million anew each time.
    """
    with mirror.database.lock, mirror.database.writing(_stands) as connection:
        mirror.forget_version()  # SQLite tells of other connections' writings only
        if not ledger.is_current(connection):
            raise refused(
                mirror,
                "its keys were renewed meanwhile",
                "Give the same command again: it goes on where it was",
            )
        yield connection, ledger.state(connection)


def refused(mirror: Mirror, what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-MIGRATION", what, where=mirror.path, remedy=remedy)


def _stands() -> str:
    return "what was carried before is kept, and the same command goes on from there"
