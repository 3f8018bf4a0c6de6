"""Verification pairs in folds, from a list of files: FOLD, A, B, SAME, separated by tabs."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.faces import FaceFiles, StampedFaces
from embedge.calibration.protocols.people import joined_people
from embedge.errors import EmbedgeError

__all__ = ["PairProtocol", "pairs_from_list"]


@dataclass(frozen=True, slots=True, eq=False)
class PairProtocol:
    """Faces, and pairs of face numbers with the verdict and the fold of each.

    `subjects` comes from folder names where faces lie in folders, else from the genuine pairs;
    `named` says which.
    """

    faces: StampedFaces
    subjects: NDArray[np.int64]
    pairs: NDArray[np.int32]
    same: NDArray[np.bool_]
    folds: NDArray[np.int64]
    named: bool


def pairs_from_list(path: Path, root: Path) -> PairProtocol:
    """Read a pair list whose file names are relative to `root`."""
    rows = [_row(path, number, line) for number, line in _lines(path)]
    if not rows:
        raise _bad(path, "it lists no pair")
    names = sorted({name for _, a, b, _ in rows for name in (a, b)})
    index = {name: number for number, name in enumerate(names)}
    pairs = np.asarray([(index[a], index[b]) for _, a, b, _ in rows], np.int32)
    same = np.asarray([row[3] for row in rows])
    _, folds = np.unique([row[0] for row in rows], return_inverse=True)
    subjects, named = _subjects(names, pairs, same)
    return PairProtocol(FaceFiles(root, names), subjects, pairs, same, folds, named)


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, f"cannot read it: {getattr(error, 'strerror', None) or error}") from error
    lines = enumerate(text.splitlines(), 1)
    return [(number, line) for number, line in lines if line.strip() and line[0] != "#"]


def _row(path: Path, number: int, line: str) -> tuple[str, str, str, bool]:
    match line.rstrip("\n").split("\t"):
        case [fold, a, b, ("0" | "1") as same]:
            return fold, a, b, same == "1"
    raise _bad(path, f"line {number} is not FOLD, A, B, 0 or 1, separated by tabs")


def _subjects(
    names: list[str], pairs: NDArray[np.int32], same: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], bool]:
    folders = [str(PurePosixPath(name).parent) for name in names]
    if "." not in folders and len(set(folders)) > 1:
        return np.unique(folders, return_inverse=True)[1], True
    return joined_people(len(names), [(int(a), int(b)) for a, b in pairs[same]]), False


def _bad(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-PAIRS",
        f"this is no pair list: {what}",
        where=path,
        remedy="Write one pair a line: FOLD, A, B, SAME (1 or 0), separated by tabs",
    )
