"""Bytes written as text: base64, hexadecimal digits, an SQL dump's literals, UTF-16."""

import binascii
import re
from collections.abc import Iterator
from itertools import pairwise

__all__ = ["decoded", "written_rows"]

_LEAST = 4096  # bytes of a text that is a file of its own, most likely
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}[ \t\r\n:]{0,2}){48,}")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/_-]{20,}[ \t\r\n]{0,4})+[A-Za-z0-9+/_-]{0,19}")
_VALUE = re.compile(rb"[0-9A-Fa-f]{120,}|[A-Za-z0-9+/_-]{80,}")
_NUMBER = re.compile(rb"(?<![0-9A-Fa-f])\d{1,18}(?![0-9A-Fa-f])")
_BEFORE, _NUMBERS = 96, 4  # bytes and numbers that may stand between a row's number and its value
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BLANKS = b" \t\r\n:"


def decoded(data: bytes) -> Iterator[tuple[str, bytes]]:
    """(the form, what was written in it); what is short is put together, zeros between."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield "UTF-16", data[2:].replace(b"\0", b"")
    for form, pattern, read in (
        ("hexadecimal", _HEX, _from_hex),
        ("base64", _BASE64, _from_base64),
    ):
        short = list[bytes]()
        for run in pattern.finditer(data):
            found = read(run.group())
            if len(found) >= _LEAST:
                yield f"{form} at byte {run.start()}", found
            elif len(found) >= 48:
                short.append(found)
        if short:
            yield form, bytes(16).join(short)


def written_rows(data: bytes) -> Iterator[tuple[int | bytes, ...]]:
    """What may be a row as text: its value, and the numbers that stand before it."""
    for run in _VALUE.finditer(data):
        before = data[max(0, run.start() - _BEFORE) : run.start()]
        numbers = [int(each) for each in _NUMBER.findall(before)[-_NUMBERS:]]
        for value in (_from_hex(run.group()), _from_base64(run.group())):
            yield from ((number, value) for number in numbers if value)
            yield from ((*pair, value) for pair in pairwise(numbers) if value)


def _from_hex(text: bytes) -> bytes:
    digits = text.translate(None, _BLANKS)
    try:
        return binascii.unhexlify(digits[: len(digits) // 2 * 2])
    except binascii.Error:
        return b""


def _from_base64(text: bytes) -> bytes:
    letters = text.translate(_URL_SAFE, _BLANKS)
    letters += b"A" if len(letters) % 4 == 1 else b""
    try:
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
    except binascii.Error:
        return b""
