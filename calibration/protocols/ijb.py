"""IJB-B and IJB-C as InsightFace lays them out: ROOT/loose_crop and ROOT/meta/ijbX_*.txt."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.faces import FaceFiles
from embedge.calibration.protocols.people import joined_people
from embedge.calibration.scores import Int32
from embedge.errors import EmbedgeError

__all__ = ["IjbSet", "SearchList", "ijb_set"]

_GALLERIES = {"ijbb": ("S1", "S2"), "ijbc": ("G1", "G2")}
_PAIRS_AT_ONCE = 1 << 22  # bytes of text


@dataclass(frozen=True, slots=True, eq=False)
class SearchList:
    """Templates, as row numbers, and whose they are."""

    name: str
    rows: NDArray[np.int64]
    subjects: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class IjbSet:
    """Faces sorted by template and medium. Templates are numbered 0… in order of their ids."""

    name: str
    meta: Path
    faces: FaceFiles
    detector_scores: NDArray[np.float32]
    templates: NDArray[np.int64]
    media: NDArray[np.int64]
    template_ids: NDArray[np.int64]

    def rows_of(self, ids: NDArray[np.int64], where: Path) -> NDArray[np.int64]:
        rows = np.searchsorted(self.template_ids, ids)
        rows = np.minimum(rows, len(self.template_ids) - 1)
        unknown = ids[self.template_ids[rows] != ids]
        if len(unknown):
            raise _bad(where, f"template {unknown[0]} has no face in {self.name}_face_tid_mid.txt")
        return rows

    def pair_blocks(self) -> Iterator[tuple[Int32, NDArray[np.bool_]]]:
        """The 1:1 pairs, block by block."""
        path = self.meta / f"{self.name}_template_pair_label.txt"
        for block in _number_blocks(path, 3):
            pairs = np.stack([self.rows_of(block[:, side], path) for side in (0, 1)], axis=1)
            yield pairs.astype(np.int32), block[:, 2] == 1

    def searches(self) -> tuple[list[SearchList], SearchList]:
        """The galleries and the probes of the 1:N protocol."""
        galleries = [self._search_list(f"1N_gallery_{g}") for g in _GALLERIES[self.name]]
        return galleries, self._search_list("1N_probe_mixed")

    def subjects(self) -> NDArray[np.int64]:
        """Whose each template is: from the 1:N lists where they are there, else from the pairs."""
        paths = [self.meta / f"{self.name}_1N_gallery_{g}.csv" for g in _GALLERIES[self.name]]
        if all(path.exists() for path in paths):
            galleries, probes = self.searches()
            subjects = -1 - np.arange(len(self.template_ids))
            for part in [*galleries, probes]:
                subjects[part.rows] = part.subjects
            return subjects
        genuine = [pairs[same] for pairs, same in self.pair_blocks()]
        joined = [(int(a), int(b)) for a, b in np.concatenate(genuine)]
        return joined_people(len(self.template_ids), joined)

    def _search_list(self, name: str) -> SearchList:
        path = self.meta / f"{self.name}_{name}.csv"
        table = _table(path, [0, 1], delimiter=",", skiprows=1).astype(np.int64)
        ids, first = np.unique(table[:, 0], return_index=True)
        return SearchList(name, self.rows_of(ids, path), table[first, 1])


def ijb_set(root: Path) -> IjbSet:
    """Read the lists under ROOT/meta; pictures are read when they are embedded."""
    meta = root / "meta"
    name = next((n for n in _GALLERIES if (meta / f"{n}_face_tid_mid.txt").exists()), None)
    if name is None:
        raise _bad(meta, "there is no ijbb_face_tid_mid.txt or ijbc_face_tid_mid.txt")
    listed = meta / f"{name}_name_5pts_score.txt"
    pictures = _names(listed)
    facts = _table(listed, list(range(1, 12)))
    owners = _names(meta / f"{name}_face_tid_mid.txt")
    if pictures != owners:
        raise _bad(listed, "its pictures are not those of the template list, in the same order")
    ids = _table(meta / f"{name}_face_tid_mid.txt", [1, 2]).astype(np.int64)
    order = np.lexsort((np.arange(len(ids)), ids[:, 1], ids[:, 0]))
    template_ids, templates = np.unique(ids[order, 0], return_inverse=True)
    landmarks = facts[order, :10].reshape(-1, 5, 2).astype(np.float32)
    return IjbSet(
        name,
        meta,
        FaceFiles(root / "loose_crop", [pictures[number] for number in order], landmarks),
        facts[order, 10].astype(np.float32),
        templates.astype(np.int64),
        ids[order, 1],
        template_ids,
    )


def _names(path: Path) -> list[str]:
    return [line.split(maxsplit=1)[0] for line in _text(path).splitlines() if line.strip()]


def _table(
    path: Path, columns: list[int], *, delimiter: str | None = None, skiprows: int = 0
) -> NDArray[np.float64]:
    try:
        return np.loadtxt(
            _text(path).splitlines(),
            usecols=columns,
            ndmin=2,
            delimiter=delimiter,
            skiprows=skiprows,
        )
    except ValueError as error:
        raise _bad(path, str(error)) from error


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, f"cannot read it: {getattr(error, 'strerror', None) or error}") from error


def _number_blocks(path: Path, columns: int) -> Iterator[NDArray[np.int64]]:
    """A text table of whole numbers, a few megabytes at a time."""
    try:
        with path.open() as stream:
            while lines := stream.readlines(_PAIRS_AT_ONCE):
                values = np.loadtxt(lines, np.int64, ndmin=2)
                if values.shape[1] != columns:
                    raise _bad(path, f"a line has {values.shape[1]} columns, not {columns}")
                yield values
    except (OSError, ValueError) as error:
        raise _bad(path, str(error)) from error


def _bad(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-IJB",
        f"this is no IJB-B or IJB-C folder: {what}",
        where=path,
        remedy="Give the folder that holds loose_crop/ and meta/ with the official lists",
    )
