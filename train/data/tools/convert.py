"""From any source of faces to any format, whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from embedge.errors import EmbedgeError
from embedge.files import sha256_json
from embedge.progress import Progress, Task
from embedge.train.data.dataset import CorruptRecord, FaceDataset, UnalignedRecord
from embedge.train.data.feeding.pictures import unaligned
from embedge.train.data.tools.writers import WRITERS, Face, Options, require_new

__all__ = ["Converted", "convert"]


@dataclass(frozen=True, slots=True)
class Converted:
    written: int
    left_out: tuple[CorruptRecord, ...]


def convert(
    faces: FaceDataset,
    target: Path,
    form: str,
    progress: Progress,
    *,
    skip_corrupt: bool = False,
    quality: int,
    per_shard: int,
) -> Converted:
    """Write `faces` into the new folder `target`. Corrupt records end it, or are left out."""
    require_new(target)
    left_out = _corrupt(faces, progress) if skip_corrupt else {}
    kept = [index for index in _order(faces, form) if index not in left_out]
    options = Options(
        name=target.name,
        fingerprint=sha256_json({"of": faces.fingerprint, "without": sorted(left_out)}),
        count=len(kept),
        quality=quality,
        per_shard=per_shard,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
    try:
        with progress.task(f"writing {target.name}", len(kept)) as task:
            WRITERS[form](part, _Reader(faces, kept, task).faces(), faces.identities, options)
        part.chmod(0o755)
        part.rename(target)
    except OSError as error:
        raise _disk(error, target) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Converted(len(kept), tuple(left_out.values()))


def _order(faces: FaceDataset, form: str) -> list[int]:
    """By label; but shards are read one after the other, so each is to hold a bit of everything."""
    if form == "shards":
        order = np.random.default_rng(0).permutation(len(faces))
    else:
        order = np.argsort(faces.labels, kind="stable")
    return [int(index) for index in order]


@dataclass(slots=True)
class _Reader:
    source: FaceDataset
    rows: list[int]
    task: Task
    done: int = field(default=0)

    def faces(self) -> Iterator[Face]:
        for row in self.rows:
            label = int(self.source.labels[row])
            try:
                pixels = self.source.read(row)  # a picture that does not decode is not copied
                stored = self.source.encoded(row)
            except CorruptRecord as error:
                raise _stopped(self.source, error) from error
            self.task.advance()
            yield Face(label, self.source.identities[label], pixels, stored)


def _corrupt(faces: FaceDataset, progress: Progress) -> dict[int, CorruptRecord]:
    found = {}
    with progress.task("looking for corrupt records", len(faces)) as task:
        for index in range(len(faces)):
            try:
                faces.read(index)
            except CorruptRecord as error:
                found[index] = error
            task.advance()
    return found


def _stopped(faces: FaceDataset, error: CorruptRecord) -> EmbedgeError:
    if isinstance(error, UnalignedRecord):
        return unaligned(faces, error)
    return EmbedgeError(
        "E-DATA-CORRUPT",
        f"a record cannot be read: {error}",
        where=faces.name,
        remedy="List them with `embedge data verify`, or leave them out with `--skip-corrupt`",
    )


def _disk(error: OSError, target: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-WRITE",
        f"cannot write the data set: {error.strerror or error}",
        where=target,
        remedy="Free some space or choose a folder you may write to; nothing half-written was left",
    )
