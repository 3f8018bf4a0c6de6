"""The same pictures through the old and the new model, however each of the two is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embedge.calibration.bridging.ends import (
    embedded_views,
    end_of_matrix,
    matrix_rows,
    pictures_under,
    require_pairs,
)
from embedge.calibration.bridging.labelled import People
from embedge.calibration.evaluation.embed import embedded
from embedge.calibration.evaluation.faces import FaceFiles
from embedge.calibration.evaluation.subjects import STATED, EvaluatedModel, opened_model
from embedge.calibration.people.alike import copies_in
from embedge.calibration.protocols.folders import people_in_folders
from embedge.calibration.scores import Float32
from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.runtime.bridge import End
from embedge.runtime.reading import read_bytes

__all__ = [
    "Shore",
    "labelled_people",
    "not_checked",
    "require_strangers",
    "require_unseen",
    "shore_of",
    "unlabelled_views",
]

_LARGEST_LIST = 64 << 20  # a million names


@dataclass(frozen=True, slots=True, eq=False)
class Shore:
    """A model that can be run, or `rows` that it once gave."""

    name: str
    end: End
    model: EvaluatedModel | None
    rows: Float32 | None
    path: str = ""

    @property
    def stated(self) -> bool:
        """Whether the model itself says how it is fed (a matrix is not fed at all)."""
        return self.model is None or self.model.contract_from in STATED


def shore_of(
    path: str, *, space: str | None, preprocessing: str | None, threads: int | None
) -> Shore:
    if path.endswith(".npy"):
        rows = matrix_rows(Path(path))
        return Shore(Path(path).stem, end_of_matrix(Path(path), rows, space), None, rows)
    model = opened_model(path, space=space, preprocessing=preprocessing, threads=threads)
    return Shore(str(model.side), End.of(model.encoder.contract), model, None, path)


def unlabelled_views(
    old: Shore,
    new: Shore,
    folder: Path | None,
    *,
    mirrored: bool,
    cache: Path | None,
    progress: Progress,
) -> tuple[list[Float32], list[Float32]]:
    """Both models' rows of the pictures that both could embed, view by view."""
    mirrored = mirrored and old.model is not None and new.model is not None
    faces = None
    if old.model or new.model:
        faces = pictures_under(_needed(folder, "--faces"))
    views, good = [], None
    for shore in (old, new):
        if shore.model is None:
            views.append([shore.rows])
            continue
        assert faces is not None
        with progress.task(f"embed with {shore.name}", len(faces.names) * (1 + mirrored)) as task:
            found = embedded_views(shore.model, faces, mirrored, cache=cache, ticker=task)
        acquired = np.logical_and.reduce([view.acquired for view in found])
        good = acquired if good is None else good & acquired
        views.append([view.embeddings for view in found])
    rows = [[view for view in shore if view is not None] for shore in views]
    if good is not None and len({len(shore[0]) for shore in rows}) == 1:
        rows = [[view[good] for view in shore] for shore in rows]
    require_pairs(*rows)
    return rows[0], rows[1]


def labelled_people(
    old: Shore,
    new: Shore,
    folder: Path | None,
    matrices: tuple[Path | None, Path | None],
    names: Path | None,
    *,
    per_person: int,
    cache: Path | None,
    progress: Progress,
) -> People | None:
    """None where no labelled faces were given."""
    if folder is None and names is None:
        return None
    faces, labels = None, None
    if folder is not None:
        faces, labels = people_in_folders(folder, per_person=per_person, at_least=2)
    shores = []
    for shore, matrix, option in zip((old, new), matrices, ("--labelled-old", "--labelled-new")):
        if shore.model is None:
            shores.append(matrix_rows(_needed(matrix, option)))
        else:
            shores.append(_embedded(shore, faces, cache, progress))
    known = labels if labels is not None else _names(_needed(names, "--names"))
    if not len(shores[0]) == len(shores[1]) == len(known):
        raise _unlike(f"{len(shores[0])} old and {len(shores[1])} new rows, {len(known)} names")
    for rows, shore in zip(shores, (old, new)):
        if rows.shape[1] != shore.end.dim:
            raise _unlike(f"{rows.shape[1]} dimensions beside {shore.end.dim}")
    good = np.logical_and(*(np.linalg.norm(rows, axis=1) > 0 for rows in shores))
    return People(shores[0][good], shores[1][good], known[good])


def not_checked(*shores: Shore) -> tuple[str, ...]:
    """What no comparison can show: a network can be fed in other ways, a matrix cannot."""
    return tuple(
        f"how {shore.name} was fed (colours, crop): of a matrix only its maker knows"
        for shore in shores
        if shore.model is None
    )


def require_strangers(unlabelled: Path | None, labelled: Path | None) -> None:
    """Refuse to judge a map on pictures that it was fitted to."""
    if unlabelled is None or labelled is None:
        return
    sides = []
    for root in (unlabelled, labelled):
        faces = pictures_under(root)
        sides.append({faces.digest(index) for index in range(len(faces))})
    both = len(sides[0] & sides[1])
    if both:
        who, remedy = f"{both:,} of the labelled pictures are", "Give --labelled people who are not"
        raise _fitted_to(who, f"{remedy} under --faces", labelled)


def require_unseen(people: People | None, old: Sequence[Float32], new: Sequence[Float32]) -> None:
    """The same of rows, which say it of matrices too: either model may tell."""
    if people is None:
        return
    sides = ((people.old, old), (people.new, new))
    seen = np.logical_or.reduce([copies_in(one, view) for one, side in sides for view in side])
    if seen.any():
        first = int(np.flatnonzero(seen)[0]) + 1
        raise _fitted_to(
            f"{int(seen.sum()):,} of the labelled rows (the first is {first:,}) are",
            "Leave out of one of the two what is in both",
        )


def _fitted_to(who: str, remedy: str, where: Path | None = None) -> EmbedgeError:
    what = f"{who} among those that the map is fitted to"
    return EmbedgeError("E-BRIDGE-PEOPLE", what, where=where, remedy=remedy)


def _embedded(
    shore: Shore, faces: FaceFiles | None, cache: Path | None, progress: Progress
) -> Float32:
    if faces is None or shore.model is None:
        raise EmbedgeError(
            "E-BRIDGE-FACES",
            f"the labelled pictures for {shore.name} were not given",
            remedy="Add --labelled DIR",
        )
    with progress.task(f"people with {shore.name}", len(faces.names)) as task:
        return embedded(faces, shore.model.encoder, cache=cache, ticker=task).embeddings


def _names(path: Path) -> "np.typing.NDArray[np.str_]":
    try:
        lines: Sequence[str] = read_bytes(path, _LARGEST_LIST).decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EmbedgeError(
            "E-PEOPLE",
            f"cannot read the list of people: {error}",
            where=path,
            remedy="Give a text file with one name a line",
        ) from error
    return np.asarray([line.strip() for line in lines if line.strip()])


def _needed(path: Path | None, option: str) -> Path:
    if path is None:
        raise EmbedgeError("E-BRIDGE-FACES", f"{option} was not given", remedy=f"Add {option} PATH")
    return path


def _unlike(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-BRIDGE-PAIRS",
        f"the labelled embeddings do not fit together: {what}",
        remedy="Give both models the same labelled pictures, and one name for each",
    )
