"""Errors a user can cause: what happened, where, and how to mend it.

Every error carries a stable code. The codes are listed in `docs/reference/errors.md`,
and a test keeps that list complete.
"""

from pathlib import Path

from embedge.printed import printable

__all__ = ["EmbedgeError", "GateFailed"]


class EmbedgeError(Exception):
    """One clear sentence, the place, the remedy. The command line prints it and exits with 2."""

    exit_code = 2

    def __init__(self, code: str, what: str, *, remedy: str, where: str | Path | None = None):
        self.code = code
        self.what = what
        self.where = str(where) if where is not None else None
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f" ({printable(self.where)})" if self.where else ""
        return f"{self.code}: {self.what}{place}. {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.code, self.what, self.remedy, self.where)


class GateFailed(EmbedgeError):
    """The work is done and written down, but a bound of the report was missed: exit code 3."""

    exit_code = 3


def _rebuild(
    kind: type[EmbedgeError], code: str, what: str, remedy: str, where: str | None
) -> EmbedgeError:
    return kind(code, what, remedy=remedy, where=where)
