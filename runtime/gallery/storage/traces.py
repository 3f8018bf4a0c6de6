"""Raw files, searched for every form in which a person's templates may lie in them."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import Embeddings, lengths_of
from embedge.runtime.gallery.search.int8 import int8_from_float, int8_scale

__all__ = ["Traces", "traces_of"]

_WINDOW = 16  # bytes: a template is found even where only a part of it survived
_NUMBERS = 8  # neighbouring floats that must all be right
_PLACES = 8  # in a template, where such neighbours are looked for
_OVERLAP = 1 << 10  # bytes: eight numbers as text, with the blanks between them
_LOW_BITS = np.uint64((1 << 20) - 1)
_FLOATS = ("<f4", ">f4", "<f8", ">f8")
# not the digits of "np.float32(0.5)"
_DECIMAL = re.compile(
    rb"(?<!oat)(?<!oat\d)[-+]?(?:\d{1,9}\.?\d{0,40}|\.\d{1,40})(?:[eE][-+]?\d{1,3})?"
)
_TEXT = re.compile(rb"[\t-\r -~]{16,}")  # eight numbers are as long at least
_WRITTEN = 6e-4  # what three decimals miss a number by, and a little


@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """`pieces` are looked for byte by byte, `numbers` (N, 8) as floats, or as decimal numbers in
    text, that may be `off`.
    """

    forms: tuple[str, ...]
    pieces: frozenset[bytes]
    numbers: Embeddings
    off: float

    def __len__(self) -> int:
        return len(self.pieces) + len(self.numbers)

    def joined(self, other: "Traces") -> "Traces":
        return Traces(
            tuple(dict.fromkeys([*self.forms, *other.forms])),
            self.pieces | other.pieces,
            np.concatenate([self.numbers, other.numbers]),
            max(self.off, other.off),
        )

    def hits(self, name: str, parts: Iterable[bytes]) -> Iterator[str]:
        """Every position is looked at, whatever the alignment, across the ends of parts too."""
        wanted = np.sort(np.frombuffer(b"".join(each[:8] for each in self.pieces), "<u8"))
        start, tail = 0, b""
        for chunk in parts:
            data = tail + chunk
            found = {at for at in _candidates(data, wanted) if self._is_piece(data, at)}
            found |= set(self._floats(data))
            found |= set(self._texts(data))
            yield from (f"{name}: byte {start - len(tail) + at}" for at in sorted(found))
            start += len(chunk)
            tail = data[-_OVERLAP:]

    def _is_piece(self, data: bytes, at: int) -> bool:
        return data[at : at + _WINDOW] in self.pieces

    def _floats(self, data: bytes) -> Iterator[int]:
        each = np.frombuffer(data, np.uint8)
        pairs = each[:-1] | each[1:].astype(np.uint16) << 8
        marked = _tops(self.numbers, self.off)[pairs]
        for bit, kind in enumerate(map(np.dtype, _FLOATS)):
            size = kind.itemsize
            places = np.flatnonzero(marked & (1 << bit)) - (0 if kind.str[0] == ">" else size - 2)
            for shift in range(size):
                words = _words(data, kind, shift)
                likely = places[(places >= 0) & (places % size == shift)] // size
                found = _close(words, self.numbers, self.off, likely)
                yield from (at * size + shift for at in found)

    def _texts(self, data: bytes) -> Iterator[int]:
        """UTF-16 is text with zeros between; some write a comma for the point, and then `;`."""
        dense = data.replace(b"\0", b"")
        for run in _TEXT.finditer(dense):
            text = run.group()
            for read in (text, text.replace(b",", b".")) if b";" in text else (text,):
                values = np.fromiter(map(float, _DECIMAL.findall(read)), np.float64)
                off, places = self.off + _WRITTEN, np.arange(len(values))
                found = _close(values, self.numbers, off, places)
                # a number of the row or the column before each
                if found := found or _close(values, self.numbers, off, places, step=2):
                    kept = np.flatnonzero(np.frombuffer(data, np.uint8))[run.start() :]
                    starts = [match.start() for match in _DECIMAL.finditer(read)]
                    yield from (int(kept[starts[at]]) for at in found)


def traces_of(
    plain: Embeddings, own: Embeddings | None, sealed: Sequence[bytes], *, rounded: bool
) -> Traces:
    """Of templates as they are kept, as the encoder gave them, and sealed in the file."""
    forms, data = _names("the templates"), _encoded(plain)
    if own is not None:
        forms += _names("the pictures' own embeddings")
        data += _encoded(own)
        plain = np.concatenate([plain, own])
    forms += [
        "the sealed rows and the person's wrapped key",
        "galleries, and rows of them, that the key opens and that hold the person: at any byte of a"
        " file, of any size of page, torn over two files",
        "all of this in .zip and .tar, in streams of gzip, zlib (of the usual window), bzip2 and xz"
        " at any byte of a file, in a file of bare deflate, and in the values of SQLite databases"
        " that can be read",
        "all of this as text: base64, base32, base85, Ascii85, uuencode, quoted-printable, percent"
        r" signs, \x, \u00 and \n escapes (JSON, Python), hexadecimal digits (SQL dumps, xxd,"
        " hexdump -C, od -x and -tx1, C arrays), lists of byte values, files of UTF-16"
        " and of UTF-8 (bytes taken for Latin-1)",
        "so too in the names of what lies in the folder, where links lead to, and extended"
        " attributes",
    ]
    pieces = {piece for form in [*data, *sealed] for piece in _pieces(form)}
    off = 1 / int8_scale(plain.shape[1]) if rounded else 1e-5
    forms += [
        f"float32 and float64 numbers, of either byte order, up to {off:.0e} off",
        f"decimal numbers in text up to {off + _WRITTEN:.0e} off (embedge gallery export, CSV,"
        " numpy's print; UTF-16 too), one after another or with one other number before each",
    ]
    return Traces(tuple(forms), frozenset(pieces), _windows(plain), off)


def _names(whose: str) -> list[str]:
    kinds = ("float32", "float16", "int8", "float32 in base64 or hexadecimal digits")
    return [f"{whose} ({kind})" for kind in kinds]


def _encoded(rows: Embeddings) -> list[bytes]:
    raw = rows.tobytes()
    texts = [b64encode(bytes(before) + raw)[4:-4] for before in range(3)]
    texts += [raw.hex().encode(), raw.hex().upper().encode()]
    return [raw, rows.astype(np.float16).tobytes(), int8_from_float(rows).tobytes(), *texts]


def _pieces(form: bytes) -> list[bytes]:
    """Windows that tile the form; a run of equal bytes would be found anywhere, so it is left."""
    windows = [form[i : i + _WINDOW] for i in range(0, len(form) - _WINDOW + 1, _WINDOW)]
    return [window for window in windows if len(set(window)) > 4]


def _windows(rows: Embeddings) -> Embeddings:
    starts = np.unique(np.linspace(0, rows.shape[1] - _NUMBERS, _PLACES).astype(int).clip(0))
    windows = np.concatenate([rows[:, start : start + _NUMBERS] for start in starts])
    loud = lengths_of(windows) > 0.02  # zeros would be found anywhere
    kept: Embeddings = windows[loud].astype(np.float32)
    return kept


def _candidates(data: bytes, wanted: NDArray[np.uint64]) -> list[int]:
    """Positions whose first eight bytes begin one of the pieces; `wanted` is sorted."""
    if not len(wanted):
        return []
    marked = np.zeros(1 << 20, bool)
    marked[wanted & _LOW_BITS] = True
    found: list[int] = []
    for shift in range(8):
        words = _words(data, np.dtype("<u8"), shift)
        rows = np.flatnonzero(marked[words & _LOW_BITS])  # few, and most of them right
        nearest = np.searchsorted(wanted, words[rows]).clip(max=len(wanted) - 1)
        found += [int(row) * 8 + shift for row in rows[wanted[nearest] == words[rows]]]
    return found


def _words(data: bytes, kind: np.dtype[Any], shift: int) -> NDArray[Any]:
    """All that are whole from `shift` on; numpy takes no shift beyond the end."""
    count = max(0, len(data) - shift) // kind.itemsize
    return np.frombuffer(data, kind, count, shift) if count else np.empty(0, kind)


def _tops(numbers: Embeddings, off: float) -> NDArray[np.uint8]:
    """Which of the kinds of floats may have two bytes at their top, as bits, where a row of
    `numbers` has its largest: most places of a file need no look at more than these."""
    table, peaks = np.zeros(1 << 16, np.uint8), np.abs(numbers).max(axis=1)
    for bit, kind in enumerate(_FLOATS if len(numbers) else ()):
        size = int(kind[-1])
        ends = np.array([peaks.min() - 2 * off, peaks.max() + 2 * off]).clip(0).astype(f"f{size}")
        first, last = (int(end) >> (8 * size - 16) for end in ends.view(f"u{size}"))
        tops = np.arange(first, last + 1, dtype=np.uint16)
        tops = np.concatenate([tops, tops | 0x8000])
        table[tops.byteswap() if kind[0] == ">" else tops] |= 1 << bit
    return table


def _close(
    values: NDArray[Any],
    numbers: Embeddings,
    off: float,
    likely: NDArray[np.intp],
    *,
    step: int = 1,
) -> list[int]:
    """Where neighbours, `step` places apart, are those of one of the rows of `numbers`, but for
    `off`; the largest of them is at one of the `likely` places."""
    likely, found = likely[likely < len(values)], list[int]()
    if len(likely):
        with np.errstate(invalid="ignore", over="ignore"):
            peaked = values[likely]
            for window in numbers:
                anchor = int(np.abs(window).argmax())  # large ones are rare
                at = likely[np.abs(peaked - window[anchor]) <= off] - step * anchor
                at = at[(at >= 0) & (at < len(values) - step * (_NUMBERS - 1))]
                for place, value in enumerate(window):
                    at = at[np.abs(values[at + step * place] - value) <= off]
                found += at.tolist()
    return found
