"""The golden file: faces, what every artifact answers to them, and what it would answer if ill.

One flat little-endian file without compression, so that a small program in C reads it as well.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.picture.images import RgbImage

__all__ = ["GOLDEN", "Expected", "Golden", "Rows"]

GOLDEN = "golden.bin"
_MAGIC = b"embedge.golden/1"
_HEAD, _TABLE = struct.Struct("<16s4I"), struct.Struct("<64sfI")
_ANSWER, _FAULT = 0, 1
_LONGEST = 64
_MOST = (1024, 64, 16_384, 10_000)  # pixels, faces, dimensions, tables
_LOOSE = {True: 0.9, False: 0.999}  # of an artifact that the file does not know: its float's answer

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """One artifact's rows of length one: for the crops, for the same pictures aligned by their
    landmarks, and for the crops under each fault. `nearest` is the least cosine allowed; `moves`
    is by what each fault moves the rows of the first artifact, which rounds least."""

    nearest: float
    crops: Rows
    pictures: Rows
    faults: dict[str, Rows]
    moves: dict[str, Rows] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    faces: RgbImage
    landmarks: Rows
    artifacts: Mapping[str, Expected]

    def crops(self, size: int) -> RgbImage:
        """The faces in the crop size of the contract, every pixel repeated where it is larger."""
        index = np.arange(size) * self.faces.shape[1] // size
        return np.ascontiguousarray(self.faces[:, index][:, :, index])

    def of(self, artifact: str) -> Expected:
        """What this artifact must answer; one that is not known must be near the first of all.

        The first artifact's faults stand for those that have none of their own.
        """
        first = next(iter(self.artifacts.values()))
        moves = {name: ill - first.crops for name, ill in first.faults.items()}
        if artifact in self.artifacts:
            known = self.artifacts[artifact]
            return replace(known, faults={**first.faults, **known.faults}, moves=moves)
        loose = _LOOSE["int8" in artifact]
        return replace(first, nearest=min(loose, first.nearest), moves=moves)

    def to_bytes(self) -> bytes:
        count, size = self.faces.shape[:2]
        dim = next(iter(self.artifacts.values())).crops.shape[1]
        tables = list(self._tables())
        head = _HEAD.pack(_MAGIC, size, count, dim, len(tables))
        return b"".join([head, self.faces.tobytes(), _bytes(self.landmarks), *tables])

    def _tables(self) -> Iterator[bytes]:
        for name, expected in self.artifacts.items():
            rows = _bytes(expected.crops) + _bytes(expected.pictures)
            yield _table(name, expected.nearest, _ANSWER) + rows
            for fault, ill in expected.faults.items():
                step = float(np.abs(ill).max()) / 127  # a direction needs no more than 8 bits
                coded = np.rint(ill / step).astype(np.int8).tobytes()
                yield _table(f"{name}|{fault}", step, _FAULT) + coded

    @classmethod
    def parsed(cls, data: bytes) -> Self:
        """Every number is bounded before it is used; not one byte may be missing or left."""
        reader = _Reader(data)
        magic, size, count, dim, tables = _HEAD.unpack(reader.take(_HEAD.size))
        fits = all(1 <= n <= most for n, most in zip((size, count, dim, tables), _MOST))
        if magic != _MAGIC or not fits:
            _refuse("its first bytes are of another format")
        faces = np.frombuffer(reader.take(count * size * size * 3), np.uint8)
        landmarks = reader.floats(count, 10).reshape(count, 5, 2)
        found: dict[str, Expected] = {}
        for _ in range(tables):
            text, number, kind = _TABLE.unpack(reader.take(_TABLE.size))
            name, _, fault = _text(text).partition("|")
            if kind == _ANSWER and not fault and name not in found:
                crops, pictures = reader.floats(count, dim), reader.floats(count, dim)
                found[name] = Expected(number, crops, pictures, {})
            elif kind == _FAULT and fault and name in found:
                coded = np.frombuffer(reader.take(count * dim), np.int8).reshape(count, dim)
                found[name].faults[fault] = coded * np.float32(number)
            else:
                _refuse("a table stands where none may be")
            # a least cosine of none or less would let anything pass
            if not (number > 0 if kind == _ANSWER else number >= -1) or not number <= 1:
                _refuse("a number is out of its range")
        if reader.left or not found:
            _refuse("its tables do not fill it")
        return cls(faces.reshape(count, size, size, 3), landmarks, found)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.left = memoryview(data)

    def take(self, count: int) -> memoryview:
        if count > len(self.left):
            _refuse("it is cut short")
        part, self.left = self.left[:count], self.left[count:]
        return part

    def floats(self, count: int, width: int) -> Rows:
        rows = np.frombuffer(self.take(4 * count * width), "<f4").astype(np.float32)
        if not np.isfinite(rows).all():
            _refuse("a number is infinite")
        return rows.reshape(count, width)


def _table(name: str, number: float, kind: int) -> bytes:
    text = name.encode("ascii")
    if len(text) > _LONGEST:
        raise ValueError(f"{name} is too long for the golden file")
    return _TABLE.pack(text, number, kind)


def _text(name: bytes) -> str:
    try:
        return name.rstrip(b"\0").decode("ascii")
    except UnicodeDecodeError:
        _refuse("a name is not plain text")


def _bytes(rows: Rows) -> bytes:
    return rows.astype("<f4").tobytes()


def _refuse(why: str) -> NoReturn:
    raise EmbedgeError(
        "E-SELFTEST",
        f"the golden vectors cannot be read: {why}",
        remedy="Make the bundle again with this version of embedge",
    )
