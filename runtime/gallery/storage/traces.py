"""Raw files, searched for every form in which a person's templates may lie in them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.search.int8 import int8_from_float, int8_scale

__all__ = ["Traces", "traces_of"]

_WINDOW = 16  # bytes: a template is found even where only a part of it survived
_NUMBERS = 8  # neighbouring floats that must all be right
_PLACES = 8  # in a template, where such neighbours are looked for
_CHUNK = 1 << 22
_OVERLAP = 1 << 10  # bytes: eight numbers as text, with the blanks between them
_BLANKS = b" \t\r\n"
_TEXTS = "all of these as text, in JSON's numbers (embedge gallery export)"
_LOW_BITS = np.uint64((1 << 20) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """`pieces` are looked for byte by byte, `numbers` (N, 8) as float32 that may be `off`, and
    `texts`, without blanks, in what is left of a file without its blanks.
    """

    forms: tuple[str, ...]
    pieces: frozenset[bytes]
    numbers: Embeddings
    off: float
    texts: frozenset[bytes]

    def __len__(self) -> int:
        return len(self.pieces) + len(self.numbers) + len(self.texts)

    def joined(self, other: "Traces") -> "Traces":
        return Traces(
            tuple(dict.fromkeys([*self.forms, *other.forms])),
            self.pieces | other.pieces,
            np.concatenate([self.numbers, other.numbers]),
            max(self.off, other.off),
            self.texts | other.texts,
        )

    def hits(self, path: Path) -> Iterator[str]:
        """Every position of the file is looked at, whatever the alignment."""
        wanted, words = _first_words(self.pieces), _first_words(self.texts)
        with path.open("rb") as stream:
            start, tail = 0, b""
            while chunk := stream.read(_CHUNK):
                data = tail + chunk
                found = {at for at in _candidates(data, wanted) if self._is_piece(data, at)}
                found |= set(_close_numbers(data, self.numbers, self.off))
                found |= self._found_texts(data, words)
                yield from (f"{path}: byte {start - len(tail) + at}" for at in sorted(found))
                start += len(chunk)
                tail = data[-_OVERLAP:]

    def _is_piece(self, data: bytes, at: int) -> bool:
        return data[at : at + _WINDOW] in self.pieces

    def _found_texts(self, data: bytes, words: NDArray[np.uint64]) -> set[int]:
        dense = data.translate(None, _BLANKS)
        places = _candidates(dense, words)
        found = [at for at in places if any(dense.startswith(text, at) for text in self.texts)]
        if not found:
            return set()
        kept = np.flatnonzero(~np.isin(np.frombuffer(data, np.uint8), list(_BLANKS)))
        return set(kept[found].tolist())


def _first_words(texts: frozenset[bytes]) -> NDArray[np.uint64]:
    return np.sort(np.frombuffer(b"".join(text[:8] for text in texts), "<u8"))


def traces_of(
    plain: Embeddings, own: Embeddings | None, sealed: Sequence[bytes], *, rounded: bool
) -> Traces:
    """Of templates as they are kept, as the encoder gave them, and sealed in the file."""
    forms, data = _names("the templates"), _encoded(plain)
    if own is not None:
        forms += _names("the pictures' own embeddings")
        data += _encoded(own)
        plain = np.concatenate([plain, own])
    forms.append("the sealed rows and the person's wrapped key")
    pieces = {piece for form in [*data, *sealed] for piece in _pieces(form)}
    off = 1 / int8_scale(plain.shape[1]) if rounded else 1e-5
    forms += [f"float32 numbers up to {off:.0e} off", _TEXTS]
    windows = _windows(plain)
    texts = [json.dumps(window, separators=(",", ":"))[1:-1] for window in windows.tolist()]
    return Traces(tuple(forms), frozenset(pieces), windows, off, frozenset(map(str.encode, texts)))


def _names(whose: str) -> list[str]:
    return [f"{whose} ({kind})" for kind in ("float32", "float16", "int8")]


def _encoded(rows: Embeddings) -> list[bytes]:
    return [rows.tobytes(), rows.astype(np.float16).tobytes(), int8_from_float(rows).tobytes()]


def _pieces(form: bytes) -> list[bytes]:
    """Windows that tile the form; a run of equal bytes would be found anywhere, so it is left."""
    windows = [form[i : i + _WINDOW] for i in range(0, len(form) - _WINDOW + 1, _WINDOW)]
    return [window for window in windows if len(set(window)) > 4]


def _windows(rows: Embeddings) -> Embeddings:
    starts = np.unique(np.linspace(0, rows.shape[1] - _NUMBERS, _PLACES).astype(int).clip(0))
    windows = np.concatenate([rows[:, start : start + _NUMBERS] for start in starts])
    loud = np.linalg.norm(windows, axis=1) > 0.02  # zeros would be found anywhere
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
        words = np.frombuffer(data, "<u8", max(0, (len(data) - shift) // 8), shift)
        rows = np.flatnonzero(marked[words & _LOW_BITS])  # few, and most of them right
        nearest = np.searchsorted(wanted, words[rows]).clip(max=len(wanted) - 1)
        found += [int(row) * 8 + shift for row in rows[wanted[nearest] == words[rows]]]
    return found


def _close_numbers(data: bytes, numbers: Embeddings, off: float) -> Iterator[int]:
    for shift in range(4):
        words = np.frombuffer(data, "<f4", max(0, (len(data) - shift) // 4), shift)
        if len(words) < _NUMBERS:
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            for window in numbers:
                anchor = int(np.abs(window).argmax())  # large ones are rare
                last = len(words) - _NUMBERS + anchor + 1
                near = np.abs(words[anchor:last] - window[anchor]) <= off
                at = np.flatnonzero(near)
                for place, value in enumerate(window):
                    at = at[np.abs(words[at + place] - value) <= off]
                yield from (int(row) * 4 + shift for row in at)
