"""The protobuf wire format, read strictly: one way to write each thing, and a bound on its parts.

A lenient reader and another lenient reader understand the same bytes differently; what is strange
here (a number written longer than it is, a group, a tag beyond 32 bits) no exporter writes.
"""

from collections.abc import Iterator

__all__ = ["Field", "Wire"]

Field = tuple[int, int | memoryview | None]
_MOST_FIELDS = 2_000_000
_LONGEST_TAG, _LONGEST_NUMBER = 5, 10
_FIXED = {1: 8, 5: 4}


class Wire:
    """Reads messages of one file; all of them together may hold so many fields and no more."""

    def __init__(self, most: int = _MOST_FIELDS) -> None:
        self._left = most

    def fields(self, message: memoryview) -> Iterator[Field]:
        """(field number, value): an integer, the bytes of a part, or None for a fixed number."""
        position, end = 0, len(message)
        while position < end:
            self._spend()
            tag, position = _number(message, position, _LONGEST_TAG)
            number, wire = tag >> 3, tag & 7
            if not number or tag >= 1 << 32:
                raise ValueError("a field's number is 0, or longer than it needs to be")
            if wire == 0:
                value, position = _number(message, position, _LONGEST_NUMBER)
                yield number, value
                continue
            length = _FIXED.get(wire)
            if wire == 2:
                length, position = _number(message, position, _LONGEST_TAG)
            if length is None:
                raise ValueError(f"wire type {wire} at byte {position}")
            if position + length > end:
                raise ValueError("it is cut short")
            yield number, message[position : position + length] if wire == 2 else None
            position += length

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError("it has more parts than any model")


def _number(message: memoryview, position: int, longest: int) -> tuple[int, int]:
    """A varint in its shortest form."""
    value = shift = 0
    for _ in range(longest):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if not byte and shift:
                raise ValueError(f"a number at byte {position} is longer than it needs to be")
            return value, position
        shift += 7
    raise ValueError("a number is too long")
