"""One step of a migration: a transaction of its own, which needs nobody in memory."""

from collections.abc import Callable
from sqlite3 import Connection

from embedge.errors import EmbedgeError
from embedge.runtime.gallery.mirror import Mirror
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.storage.database import Done

__all__ = ["refused", "rewrite"]


def rewrite(mirror: Mirror, ledger: Ledger, work: Callable[[Connection, State], Done]) -> Done:
    """The work puts its own state. What was rewritten is verified as a whole when it is loaded.

    A step does not look at the people in memory, so it need not load a million anew each time.
    """

    def checked(connection: Connection) -> Done:
        mirror.forget_version()  # SQLite tells of other connections' writings only
        if not ledger.is_current(connection):
            raise refused(
                mirror,
                "its keys were renewed meanwhile",
                "Give the same command again: it goes on where it was",
            )
        return work(connection, ledger.state(connection))

    with mirror.database.lock:
        return mirror.database.write(checked, _stands)


def refused(mirror: Mirror, what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-MIGRATION", what, where=mirror.path, remedy=remedy)


def _stands() -> str:
    return "what was carried before is kept, and the same command goes on from there"
