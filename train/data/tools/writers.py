"""The formats that `embedge data convert` writes, each whole or not at all."""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.lib import format as npy

from embedge.errors import EmbedgeError
from embedge.files import write_json, write_text
from embedge.train.data.dataset import SIDE, Pictures
from embedge.train.data.feeding.jpeg import jpeg_from_face
from embedge.train.data.sources.folder import PICTURE_SUFFIXES
from embedge.train.data.sources.recordio import packed, write_record

__all__ = ["WRITERS", "Face", "Options", "Writer", "require_new"]

_MAX_NUMBER = 1 << 24  # RecordIO keeps record numbers and labels as 32-bit floats


@dataclass(frozen=True, slots=True)
class Face:
    """One picture on its way from a source to a writer; `stored` is None for plain pixels."""

    label: int
    identity: str
    pixels: Pictures
    stored: bytes | None

    def encoded(self, quality: int) -> bytes:
        """As it was stored, so that converting loses nothing; else as a JPEG."""
        return self.stored or jpeg_from_face(self.pixels, quality)


class Writer(Protocol):
    """Writes faces into an empty folder: ordered by label, shuffled for shards."""

    def __call__(
        self,
        folder: Path,
        faces: Iterator[Face],
        identities: tuple[str, ...],
        options: "Options",
        /,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    name: str
    fingerprint: str
    count: int
    quality: int
    per_shard: int


def write_folder(
    folder: Path, faces: Iterator[Face], identities: tuple[str, ...], options: Options
) -> None:
    """PERSON/00000012.jpg"""
    places = _folder_names(identities)
    for number, face in enumerate(faces):
        data = face.encoded(options.quality)
        path = folder / places[face.label] / f"{number:08d}{_suffix(data)}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def write_recordio(
    folder: Path, faces: Iterator[Face], identities: tuple[str, ...], options: Options
) -> None:
    """train.rec, train.idx and property, with a head and a record per identity."""
    if options.count + len(identities) >= _MAX_NUMBER:
        raise EmbedgeError(
            "E-DATA-TOO-LARGE",
            f"RecordIO numbers its records exactly only up to {_MAX_NUMBER - 1}",
            where=folder,
            remedy="Convert to shards instead",
        )
    first = options.count + 1
    with (folder / "train.rec").open("wb") as stream:
        head = (float(first), float(first + len(identities)))
        offsets = [write_record(stream, packed(head, 0, b"", array=True))]
        spans = _write_pictures(stream, faces, offsets, options.quality)
        for label in range(len(identities)):
            span = spans.get(label, (1, 1))
            record = packed((float(span[0]), float(span[1])), label, b"", array=True)
            offsets.append(write_record(stream, record))
    index = "".join(f"{key}\t{offset}\n" for key, offset in enumerate(offsets))
    write_text(folder / "train.idx", index)
    write_text(folder / "property", f"{len(identities)},{SIDE},{SIDE}\n")


def _write_pictures(
    stream: BinaryIO, faces: Iterator[Face], offsets: list[int], quality: int
) -> dict[int, tuple[int, int]]:
    """Append all pictures; the span of record numbers of each label."""
    spans: dict[int, tuple[int, int]] = {}
    for number, face in enumerate(faces, 1):
        record = packed((float(face.label),), number, face.encoded(quality), array=False)
        offsets.append(write_record(stream, record))
        spans[face.label] = (spans.get(face.label, (number, 0))[0], number + 1)
    return spans


def write_shards(folder: Path, faces: Iterator[Face], _: tuple[str, ...], options: Options) -> None:
    """faces-000000.tar …: KEY.jpg and KEY.json."""
    shards = max(1, -(-options.count // options.per_shard))
    numbered = enumerate(faces)
    for shard in range(shards):
        with tarfile.open(folder / f"faces-{shard:06d}.tar", "w") as archive:
            for number, face in islice(numbered, options.per_shard):
                data = face.encoded(options.quality)
                facts = {"label": face.label, "identity": face.identity}
                _add(archive, f"{number:09d}{_suffix(data)}", data)
                _add(archive, f"{number:09d}.json", json.dumps(facts).encode())


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Without time or owner, so that the same faces give the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def write_pixels(
    folder: Path, faces: Iterator[Face], identities: tuple[str, ...], options: Options
) -> None:
    """A face set: decoded pixels to be mapped, the fastest to train from."""
    labels = np.empty(options.count, np.int64)
    with (folder / "images.npy").open("wb") as stream:
        shape = (options.count, SIDE, SIDE, 3)
        npy.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for row, face in enumerate(faces):
            labels[row] = face.label
            stream.write(np.ascontiguousarray(face.pixels).tobytes())
    np.save(folder / "labels.npy", labels)
    write_json(
        folder / "faces.json",
        {
            "name": options.name,
            "fingerprint": options.fingerprint,
            "identities": list(identities),
        },
    )


def _folder_names(identities: tuple[str, ...]) -> list[str]:
    """Safe and different names for folders, as close to the identities' own as possible."""
    safe = [re.sub(r"[^\w.\-]+", "_", identity).strip(".") for identity in identities]
    taken = {name for name in safe if safe.count(name) > 1} if len(set(safe)) < len(safe) else set()
    return [
        f"{name or 'identity'}-{label:06d}" if name in taken or not name else name
        for label, name in enumerate(safe)
    ]


def _suffix(data: bytes) -> str:
    kinds = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"RI": ".webp", b"BM": ".bmp"}
    suffix = kinds.get(data[:2], ".jpg")
    assert suffix in PICTURE_SUFFIXES
    return suffix


WRITERS: dict[str, Writer] = {
    "folder": write_folder,
    "recordio": write_recordio,
    "shards": write_shards,
    "pixels": write_pixels,
}


def require_new(target: Path) -> None:
    """Data sets are written where nothing is."""
    if target.exists():
        raise EmbedgeError(
            "E-DATA-EXISTS",
            "there is something at the target already; nothing was changed",
            where=target,
            remedy="Choose a new folder, or remove that one first",
        )
