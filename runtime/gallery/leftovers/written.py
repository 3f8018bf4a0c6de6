"""Bytes written as text: encoded, escaped, listed in columns, as an SQL dump's literals, UTF-16."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from urllib.parse import unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from embedge.errors import ours

__all__ = ["decoded", "written_rows"]

_LEAST, _SHORT = 4096, 48  # bytes of a text that is a file of its own, most likely; of any
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}(?:,[ \t\r\n]{0,6}0x|0x|\\[xnrt]|[ \t\r\n:]){0,4}){48,}")
_BASE64 = re.compile(
    rb"(?:[A-Za-z0-9+/_-]{20,}(?:\\[nrt\"']|[ \t\r\n\"'>#*]){0,12})+[A-Za-z0-9+/_-]{0,19}"
)
_BASE32 = re.compile(rb"(?:[A-Z2-7]{20,}[ \t\r\n]{0,4})+[A-Z2-7]{0,19}")
_BASE85 = re.compile(rb"(?:[0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{40,}[\r\n]{0,2})+")
_ASCII85 = re.compile(rb"(?:[!-uz]{40,}[\r\n]{0,2})+[!-uz]{0,39}")
_ASCII85_STRING = re.compile(  # of JSON or Python, where quotes and backslashes are escaped
    rb"\"(?:[!#-\[\]-uz]|\\.){40,}\"|'(?:[!-&(-\[\]-uz]|\\.){40,}'"
)
_UU = re.compile(
    rb"(?:^|(?<=[\"']))begin [0-7]{3,4} [^\r\n]{1,200}\r?\n(?:[ -`]{1,62}\r?\n)+", re.MULTILINE
)
_INTEGERS = re.compile(rb"(?:\d{1,3},[ \r\n]{0,2}){48,}\d{1,3}")
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|u00([0-9A-Fa-f]{2})|([nrtabfv0/\\\"']))")
_OFTEN = rb"(?:%(one)s[^%(first)s]{0,1000}%(first)s){5}%(one)s"  # what is first is found fast
_ESCAPED = re.compile(
    rb"\\" + _OFTEN % {b"first": rb"\\", b"one": _ESCAPE.pattern.removeprefix(rb"\\")}
)
_PERCENT = re.compile(rb"%" + _OFTEN % {b"first": rb"%", b"one": rb"[0-9A-Fa-f]{2}"})
_QUOTED = re.compile(rb"=" + _OFTEN % {b"first": rb"=", b"one": rb"(?:[0-9A-F]{2}|\r?\n)"})
_LISTED = re.compile(  # xxd; hexdump -C; hexdump and od
    rb"^[ \t]*[0-9A-Fa-f]{6,16}"
    rb"(?:: ((?:[0-9A-Fa-f]{2,8} )+) .*"
    rb"|  ((?:[0-9A-Fa-f]{2} {1,2}){1,16}) *\|.*"
    rb"| ((?:[0-9A-Fa-f]{2,8} {1,4})*[0-9A-Fa-f]{2,8}) *)\r?$",
    re.MULTILINE,
)
_GRAPHIC = np.isin(np.arange(256), np.arange(0x21, 0x7F))
_TEXT = _GRAPHIC | np.isin(np.arange(256), list(b"\t\n\r "))
_CHUNK = 1 << 24  # bytes
_VALUE = re.compile(rb"[0-9A-Fa-f]{120,}|[A-Za-z0-9+/_-]{80,}")
_NUMBER = re.compile(rb"(?<![0-9A-Fa-f])\d{1,18}(?![0-9A-Fa-f])")
_BEFORE, _NUMBERS = 96, 4  # bytes and numbers that may stand between a row's number and its value
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BLANKS, _BETWEEN = b" \t\r\n:,", b" \t\r\n\"'>#*"
_OF_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-= \r\n"
_DIGESTS = (32, 40, 56, 64, 96, 128)  # hexadecimal digits
_CONTROLS = dict(zip(b"nrtabfv0", b"\n\r\t\a\b\f\v\0", strict=True))


def decoded(data: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """(the form, what was written in it, whether that is a list of digests); what is short is put
    together, zeros between."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield "UTF-16", data[2:].replace(b"\0", b""), False
    if wide := _from_utf8(data):
        yield "UTF-8", wide, False
    words, texts = _runs(data, _GRAPHIC, 20), _runs(data, _TEXT, 2 * _SHORT)
    for form, pattern, read in _FORMS:
        short = list[bytes]()
        for run in _matches(pattern, data, texts if pattern in _SPACED else words):
            found = read(run.group())
            if len(found) >= _LEAST:
                digests = form == "hexadecimal" and _is_list_of_digests(run.group())
                yield f"{form} at byte {run.start()}", found, digests
            elif len(found) >= _SHORT:
                short.append(found)
        if short:
            yield form, bytes(16).join(short), False
    for form, pattern, read in _ESCAPES:
        if pattern.search(data):
            yield form, read(data), False
    listed = b"".join(_from_line(*line.groups()) for line in _LISTED.finditer(data))
    if len(listed) >= _SHORT:
        yield "a listing", listed, False


def _matches(
    pattern: re.Pattern[bytes], data: bytes, runs: list[tuple[int, int]]
) -> Iterator[re.Match[bytes]]:
    """All that begin in one of the runs: much faster than to search everywhere."""
    at = 0
    for start, end in runs:
        at = max(at, start)
        while first := pattern.search(data, at, end):
            found = pattern.match(data, first.start()) or first
            yield found
            at = found.end()


def _runs(data: bytes, kind: NDArray[np.bool_], least: int) -> list[tuple[int, int]]:
    """From where to where so many bytes are all of a kind."""
    found, open_at = list[tuple[int, int]](), -1
    for base in range(0, len(data), _CHUNK):
        inside = kind[np.frombuffer(data[base : base + _CHUNK], np.uint8)]
        edges = np.flatnonzero(np.diff(inside, prepend=False, append=False)) + base
        starts, ends = edges[::2], edges[1::2]
        if open_at >= 0 and len(starts) and starts[0] == base:
            starts[0] = open_at
        elif open_at >= 0:
            starts, ends = np.insert(starts, 0, open_at), np.insert(ends, 0, base)
        open_at = -1
        if len(ends) and ends[-1] == base + len(inside) < len(data):
            open_at, starts, ends = int(starts[-1]), starts[:-1], ends[:-1]
        long = ends - starts >= least
        found += zip(starts[long].tolist(), ends[long].tolist(), strict=True)
    return found


def written_rows(data: bytes) -> Iterator[tuple[int | bytes, ...]]:
    """What may be a row as text: its value, and the numbers that stand before it."""
    for run in _matches(_VALUE, data, _runs(data, _GRAPHIC, 80)):
        before = data[max(0, run.start() - _BEFORE) : run.start()]
        numbers = [int(each) for each in _NUMBER.findall(before)[-_NUMBERS:]]
        for value in (_from_hex(run.group()), _from_base64(run.group())):
            yield from ((number, value) for number in numbers if value)
            yield from ((*pair, value) for pair in pairwise(numbers) if value)


def _from_utf8(data: bytes) -> bytes:
    """Of bytes that somebody took for Latin-1."""
    try:
        return b"" if data.isascii() else data.decode().encode("latin-1", "replace")
    except UnicodeDecodeError:
        return b""


def _from_hex(text: bytes) -> bytes:
    bare = re.sub(rb"0x|\\[xnrt]", b"", text) if b"x" in text or b"\\" in text else text
    digits = bare.translate(None, _BLANKS)
    try:
        return binascii.unhexlify(digits[: len(digits) // 2 * 2])
    except binascii.Error:
        return b""


def _is_list_of_digests(text: bytes) -> bool:
    lengths = {len(line) for line in text.split()}
    return len(lengths) == 1 and lengths <= set(_DIGESTS)


def _from_line(xxd: bytes | None, hexdump: bytes | None, od: bytes | None) -> bytes:
    groups = (xxd or hexdump or od or b"").split()
    if od and len(groups[0]) == 4:  # words of two bytes, the lower one first
        groups = [each[2:] + each[:2] for each in groups]
    return _from_hex(b"".join(groups))


def _from_base64(text: bytes) -> bytes:
    bare = re.sub(rb"\\.", b"", text) if b"\\" in text else text
    letters = bare.translate(_URL_SAFE, _BETWEEN)
    letters += b"A" if len(letters) % 4 == 1 else b""
    try:
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
    except binascii.Error:
        return b""


def _from_base32(text: bytes) -> bytes:
    letters = b"".join(text.split())
    return base64.b32decode(letters[: len(letters) // 8 * 8])


def _from_85(read: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Of what is no base64, whose letters are among its own."""

    def found(text: bytes) -> bytes:
        try:
            return read(b"".join(text.split())) if text.translate(None, _OF_BASE64) else b""
        except ours(ValueError):
            return b""

    return found


def _from_uu(text: bytes) -> bytes:
    parts = list[bytes]()
    for line in text.splitlines()[1:]:
        try:
            parts.append(binascii.a2b_uu(line))
        except binascii.Error:
            break
    return b"".join(parts)


def _from_integers(text: bytes) -> bytes:
    try:
        return bytes(map(int, text.split(b",")))
    except ours(ValueError):
        return b""


def _unescaped(text: bytes) -> bytes:
    def one(match: re.Match[bytes]) -> bytes:
        if number := match[1] or match[2]:
            return bytes([int(number, 16)])
        return bytes([_CONTROLS.get(match[3][0], match[3][0])])

    return _ESCAPE.sub(one, text)


_Form = tuple[str, re.Pattern[bytes], Callable[[bytes], bytes]]
_FORMS: tuple[_Form, ...] = (
    ("hexadecimal", _HEX, _from_hex),
    ("base64", _BASE64, _from_base64),
    ("base32", _BASE32, _from_base32),
    ("base85", _BASE85, _from_85(base64.b85decode)),
    ("Ascii85", _ASCII85, _from_85(base64.a85decode)),
    ("Ascii85", _ASCII85_STRING, lambda text: _from_85(base64.a85decode)(_unescaped(text[1:-1]))),
    ("uuencode", _UU, _from_uu),
    ("integers", _INTEGERS, _from_integers),
)
_ESCAPES: tuple[_Form, ...] = (
    ("escapes", _ESCAPED, _unescaped),
    ("percent signs", _PERCENT, unquote_to_bytes),
    ("quoted-printable", _QUOTED, binascii.a2b_qp),
)
_SPACED = (_HEX, _UU, _INTEGERS)
