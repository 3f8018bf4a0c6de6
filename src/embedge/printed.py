"""Numbers, times and strangers' texts as they are shown; control characters cannot act."""

from datetime import UTC, datetime

__all__ = ["JOINERS", "counted", "now_in_utc", "printable", "spoken"]

JOINERS = "\u200c\u200d"  # invisible; Persian names and some emoji are spelled with them


def printable(text: object, *, keep: str = "") -> str:
    """`text` with everything but visible characters, spaces and those to `keep` escaped.

    A name may hold a newline that forges a line, an ESC that moves the cursor, or a mark that
    turns the reading direction; a file name may hold bytes that are no text at all.
    """
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 person`, `1,200 people`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def spoken(seconds: float) -> str:
    """As long as it is worth knowing: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.1f} days"


def now_in_utc() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
