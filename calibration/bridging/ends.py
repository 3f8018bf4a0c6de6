"""The two ends of a bridge: networks that are run, or matrices of what one has answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from embedge.calibration.evaluation.embed import Embedded, Ticker, embedded
from embedge.calibration.evaluation.faces import FaceFiles, StampedFaces
from embedge.calibration.evaluation.subjects import EvaluatedModel
from embedge.calibration.protocols.folders import PICTURES
from embedge.calibration.scores import Float32
from embedge.errors import EmbedgeError
from embedge.files import sha256_file, sha256_json
from embedge.runtime.bridge import End
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import unit_rows
from embedge.runtime.picture.images import RgbImage

__all__ = [
    "Seen",
    "embedded_views",
    "end_of_matrix",
    "matrix_rows",
    "mirrored_faces",
    "pictures_under",
    "require_pairs",
]

FEWEST = 300


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The same faces, each changed in the same `way`: as many pairs again, and other views."""

    faces: StampedFaces
    way: str
    change: Callable[[RgbImage], RgbImage]

    def __len__(self) -> int:
        return len(self.faces)

    def record_name(self, index: int) -> str:
        return self.faces.record_name(index)

    def aligned_for(self, contract: EmbeddingContract) -> Self:
        return replace(self, faces=self.faces.aligned_for(contract))

    def read(self, index: int) -> RgbImage:
        return np.ascontiguousarray(self.change(self.faces.read(index)))

    def stamp(self, first: int, last: int) -> str:
        return sha256_json([self.way, self.faces.stamp(first, last)])

    def digest(self, index: int) -> str:
        return sha256_json([self.way, self.faces.digest(index)])


def mirrored_faces(faces: StampedFaces) -> Seen:
    return Seen(faces, "mirrored", lambda picture: picture[:, ::-1])


def pictures_under(root: Path) -> FaceFiles:
    """Aligned pictures anywhere under a folder, in the order of their paths.

    Where people have folders, what lies beside those is no face: a contact sheet, say.
    """
    found = sorted(
        path.relative_to(root).as_posix()
        for path in (root.rglob("*") if root.is_dir() else ())
        if path.suffix.lower() in PICTURES
    )
    if not found:
        raise _no_pictures(root)
    return FaceFiles(root, [name for name in found if "/" in name] or found)


def _no_pictures(root: Path) -> EmbedgeError:
    what = "there are no pictures here"
    remedy = "Give a folder of aligned faces; who they are need not be known"
    if root.is_dir() and any(one.is_symlink() and one.is_dir() for one in root.iterdir()):
        what += ": its folders are links, which are not followed"
        remedy = "Give a folder that holds the folders of pictures themselves"
    return EmbedgeError("E-BRIDGE-FACES", what, where=root, remedy=remedy)


def embedded_views(
    model: EvaluatedModel,
    faces: StampedFaces,
    mirrored: bool,
    *,
    cache: Path | None,
    ticker: Ticker | None,
) -> list[Embedded]:
    """Plain, and seen in a mirror."""
    views: list[StampedFaces] = [faces, mirrored_faces(faces)] if mirrored else [faces]
    return [embedded(view, model.encoder, cache=cache, ticker=ticker) for view in views]


def matrix_rows(path: Path) -> Float32:
    """Rows of length one from a .npy file, which is never unpickled."""
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        told = getattr(error, "strerror", None) or str(error)
        why = (told.splitlines() or ["it is empty"])[0]
        raise _bad(path, f"this matrix cannot be read: {why}") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise _bad(path, "this is no matrix of embeddings, one row for each picture")
    with np.errstate(over="ignore"):  # what is beyond single precision is refused as infinite
        rows = rows.astype(np.float32)
        lengths = np.linalg.norm(rows, axis=1)
    if wrong := int((~np.isfinite(lengths)).sum()):
        raise _bad(path, f"{wrong} of {len(rows)} rows hold NaN or infinity")
    if wrong := int((lengths < 1e-6).sum()):
        raise _bad(path, f"{wrong} of {len(rows)} rows are zero")
    return unit_rows(rows)


def end_of_matrix(path: Path, rows: Float32, space: str | None) -> End:
    """Nothing is known of the model but what its owner calls its space."""
    named = space or f"matrix:{path.stem}"
    return End(named, f"unknown:{sha256_file(path)[:32]}", rows.shape[1])


def require_pairs(old: Sequence[Float32], new: Sequence[Float32], *, fewest: int = FEWEST) -> None:
    """As many rows on both sides, and enough of them, not all alike."""
    counts = [len(rows[0]) for rows in (old, new)]
    if counts[0] != counts[1]:
        raise _unpaired(
            f"there are {counts[0]} old and {counts[1]} new embeddings: row i of both must be the"
            " same picture"
        )
    if counts[0] < fewest:
        raise _unpaired(f"{counts[0]} pictures are too few for a bridge, which takes {fewest}")
    for name, rows in (("old", old[0]), ("new", new[0])):
        if float(np.var(rows, axis=0).sum()) < 1e-6:
            raise _unpaired(f"all {name} embeddings are the same")


def _bad(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-BRIDGE-MATRIX",
        what,
        where=path,
        remedy="Save the embeddings with numpy.save: one row for each picture, finite, none zero",
    )


def _unpaired(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-BRIDGE-PAIRS",
        what,
        remedy="Give both models the same pictures, some thousand faces of different people",
    )
