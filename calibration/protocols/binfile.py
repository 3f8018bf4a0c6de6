"""LFW, CFP-FP, AgeDB, CALFW and CPLFW as InsightFace packs them: a pickle of (pictures, same).

Opened with `plain_objects`, which cannot run anything.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from embedge.calibration.evaluation.faces import FaceBytes
from embedge.calibration.protocols.pairlist import PairProtocol
from embedge.calibration.protocols.people import joined_people
from embedge.calibration.protocols.plain_pickle import PlainArray, plain_objects
from embedge.errors import EmbedgeError

__all__ = ["pairs_from_bin"]

_FOLDS = 10
_LARGEST = 2 << 30


def pairs_from_bin(path: Path) -> PairProtocol:
    """Pictures 2i and 2i+1 are pair i; folds are equal stretches of the list.

    Equal pictures are embedded once. The file names nobody: people are joined by genuine pairs.
    """
    pictures, same = _checked(path, _unpickled(path))
    digests = [sha256(picture).hexdigest() for picture in pictures]
    first = {digest: number for number, digest in reversed(list(enumerate(digests)))}
    kept = sorted(first.values())
    place = {digests[number]: index for index, number in enumerate(kept)}
    rows = np.asarray([place[digest] for digest in digests], np.int32).reshape(-1, 2)
    faces = FaceBytes(
        [pictures[number] for number in kept],
        [digests[number] for number in kept],
        [f"{path.name}#{number}" for number in kept],
    )
    genuine = np.asarray(same, bool)
    people = joined_people(len(kept), [(int(a), int(b)) for a, b in rows[genuine]])
    fold = np.arange(len(rows)) * _FOLDS // len(rows)
    return PairProtocol(faces, people, rows, genuine, fold, named=False)


def _unpickled(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST:
            raise _bad(path, f"it is larger than {_LARGEST >> 30} GiB")
        data = path.read_bytes()
    except OSError as error:
        raise _bad(path, f"cannot read it: {error.strerror}") from error
    try:
        return plain_objects(data)
    except EmbedgeError:
        raise
    except Exception as error:  # a broken pickle raises nearly every class
        raise _bad(path, f"{type(error).__name__}: {error}") from error


def _checked(path: Path, content: Any) -> tuple[list[bytes], list[bool]]:
    match content:
        case (list() | tuple() as pictures, list() | tuple() | PlainArray() as verdicts):
            encoded = [_encoded(path, picture) for picture in pictures]
            same = verdicts.numbers() if isinstance(verdicts, PlainArray) else list(verdicts)
        case _:
            raise _bad(path, "it does not hold a list of pictures and a list of verdicts")
    if not encoded or len(encoded) != 2 * len(same):
        raise _bad(path, f"{len(encoded)} pictures do not make {len(same)} pairs")
    if any(verdict not in (0, 1) for verdict in same):
        raise _bad(path, "a verdict is neither true nor false")
    return encoded, [bool(verdict) for verdict in same]


def _encoded(path: Path, picture: Any) -> bytes:
    match picture:
        case bytes():
            return picture
        case PlainArray(kind="u1"):
            return picture.raw
    raise _bad(path, f"a picture is a {type(picture).__name__}, not an encoded file")


def _bad(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-BIN",
        f"this is no packed verification set: {what}",
        where=path,
        remedy="Give a .bin as InsightFace publishes them: pictures and verdicts, pickled",
    )
