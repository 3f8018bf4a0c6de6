"""Tar shards in the webdataset layout: `KEY.jpg` beside `KEY.cls` or `KEY.json`.

Shards are read in place: their headers are walked once, pictures then come from any position.
Training visits a few shards at a time, so that data larger than the disk cache is still read
nearly in sequence.
"""

import json
import mmap
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.train.data.dataset import CorruptRecord, Labels, Pictures
from embedge.train.data.feeding.jpeg import face_from_bytes
from embedge.train.data.feeding.pictures import StoredFaces
from embedge.train.data.fingerprint import fingerprint_of, sampled
from embedge.train.data.sources.folder import PICTURE_SUFFIXES

__all__ = ["TarFaces", "shard_paths"]

_WINDOW = 8  # shards that are shuffled together
_MAX_LABEL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class _Sample:
    key: str
    identity: str
    offset: int
    size: int


class TarFaces(StoredFaces):
    """Faces in one or many tar files."""

    kind: ClassVar[str] = "shards"

    def __init__(self, shards: list[Path]) -> None:
        self.shards = tuple(shards)
        self.name = shards[0].resolve().parent.name
        tables = [_samples(shard) for shard in shards]
        samples = [sample for table in tables for sample in table]
        if not samples:
            raise EmbedgeError(
                "E-DATA-EMPTY",
                "no shard holds pictures with labels",
                where=shards[0],
                remedy="Give KEY.jpg with KEY.cls (a number) or KEY.json (label, identity)",
            )
        self._shard = np.repeat(np.arange(len(shards)), [len(table) for table in tables])
        self._keys = [sample.key for sample in samples]
        self._place = np.array([(sample.offset, sample.size) for sample in samples], np.int64)
        self.identities = tuple(sorted({sample.identity for sample in samples}, key=_natural))
        number = {identity: label for label, identity in enumerate(self.identities)}
        self.labels = np.array([number[sample.identity] for sample in samples], np.int64)
        self._maps: dict[int, mmap.mmap] = {}
        self.fingerprint = fingerprint_of("shards", self.labels, self.identities, self._facts())

    def read(self, index: int) -> Pictures:
        return face_from_bytes(self.encoded(index), index, self.record_name(index))

    def encoded(self, index: int) -> bytes:
        offset, size = self._place[index].tolist()
        try:
            data = self._map(int(self._shard[index]))[offset : offset + size]
        except (OSError, ValueError) as error:
            raise CorruptRecord(index, self.record_name(index), str(error)) from error
        if len(data) != size:
            raise CorruptRecord(index, self.record_name(index), "the shard ends within it")
        return data

    def sizes(self) -> Labels:
        return self._place[:, 1].copy()

    def record_name(self, index: int) -> str:
        return f"{self.shards[self._shard[index]].name}:{self._keys[index]}"

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Shuffled shards, and all samples of a few of them shuffled together."""
        shards = rng.permutation(len(self.shards))
        windows = [shards[low : low + _WINDOW] for low in range(0, len(shards), _WINDOW)]
        starts = np.searchsorted(self._shard, np.arange(len(self.shards) + 1))
        return np.concatenate(
            [
                rng.permutation(np.concatenate([np.arange(*starts[s : s + 2]) for s in window]))
                for window in windows
            ]
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}

    def _map(self, shard: int) -> mmap.mmap:
        if shard not in self._maps:
            with self.shards[shard].open("rb") as stream:
                self._maps[shard] = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[shard]

    def _facts(self) -> list[bytes]:
        places = [self._shard.astype("<i8").tobytes(), self._place.astype("<i8").tobytes()]
        pictures = [self._map(int(self._shard[i])) for i in sampled(len(self))]
        spans = [self._place[i].tolist() for i in sampled(len(self))]
        return [*places, *(data[at : at + size] for data, (at, size) in zip(pictures, spans))]


def shard_paths(pattern: str) -> list[Path]:
    """A tar file, a folder of them, or `faces-{000..127}.tar`."""
    span = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if span:
        low, high = span.groups()
        numbers = range(int(low), int(high) + 1)
        paths = [Path(pattern.replace(span[0], str(number).zfill(len(low)))) for number in numbers]
    elif Path(pattern).is_dir():
        paths = sorted(Path(pattern).glob("*.tar"))
    else:
        paths = [Path(pattern)]
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        raise EmbedgeError(
            "E-DATA-MISSING",
            f"{len(missing)} of {len(paths)} shards are not there" if paths else "no shards there",
            where=missing[0] if missing else pattern,
            remedy="Give a tar file, a folder of tar files, or a range like faces-{000..127}.tar",
        )
    return paths


def _samples(shard: Path) -> list[_Sample]:
    """Every picture of a shard with its label, in order."""
    pictures: dict[str, tarfile.TarInfo] = {}
    identities: dict[str, str] = {}
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                key, _, suffix = _split(member.name)
                if not member.isfile():
                    continue
                if f".{suffix}" in PICTURE_SUFFIXES:
                    pictures[key] = member
                elif suffix in ("cls", "json"):
                    identities[key] = _identity(archive, member, suffix, identities.get(key))
    except (tarfile.TarError, EOFError) as error:
        raise _broken(shard, f"not a whole, uncompressed tar file ({error})") from error
    unlabelled = sorted(pictures.keys() - identities.keys())
    if unlabelled:
        raise _broken(
            shard, f"{len(unlabelled)} pictures have no label, the first is {unlabelled[0]}"
        )
    return [
        _Sample(key, identities[key], member.offset_data, member.size)
        for key, member in pictures.items()
    ]


def _split(name: str) -> tuple[str, str, str]:
    """Everything before the first dot of the file name is the key, the rest says what it is."""
    folder, slash, file = name.rpartition("/")
    stem, dot, suffix = file.partition(".")
    return folder + slash + stem, dot, suffix.lower()


def _identity(
    archive: tarfile.TarFile, member: tarfile.TarInfo, suffix: str, known: str | None
) -> str:
    """What the label file says; a name in the JSON is better than a number."""
    stream = archive.extractfile(member)
    if stream is None or member.size > _MAX_LABEL_BYTES:
        raise _broken(Path(str(archive.name)), f"{member.name} is not a label")
    text = stream.read()
    try:
        if suffix == "cls":
            return known or str(int(text))
        facts = json.loads(text)
        return str(facts["identity"] if "identity" in facts else int(facts["label"]))
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(
            Path(str(archive.name)), f"{member.name} holds neither a number nor an identity"
        ) from error


def _natural(identity: str) -> tuple[int, int, str]:
    """Numbers in numeric order, then names."""
    return (0, int(identity), "") if identity.isdecimal() else (1, 0, identity)


def _broken(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-DATA-FORMAT",
        what,
        where=path,
        remedy="Write the shard again, for example with `embedge data convert`",
    )
