"""People as folders of pictures: ROOT/PERSON/PICTURE."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.faces import FaceFiles
from embedge.errors import EmbedgeError

__all__ = ["PICTURES", "people_in_folders"]

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff"}


def people_in_folders(
    root: Path, *, per_person: int | None = None, at_least: int = 1
) -> tuple[FaceFiles, NDArray[np.int64]]:
    """The faces and their subjects: folders with `at_least` pictures, the first `per_person`.

    "First" goes by the number that ends a file's name, else by name.
    """
    if not root.is_dir():
        raise _empty(root, "there is no such folder")
    names: list[str] = []
    labels: list[int] = []
    alone = 0
    for label, folder in enumerate(sorted(path for path in root.iterdir() if path.is_dir())):
        found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES]
        if len(found) < at_least:
            alone += len(found) > 0
            continue
        chosen = sorted(found, key=_numbered)[:per_person]
        names += [path.relative_to(root).as_posix() for path in chosen]
        labels += [label] * len(chosen)
    if not names:
        few = "it holds no folder of pictures for each person"
        raise _empty(root, f"nobody has {at_least} pictures" if alone else few)
    return FaceFiles(root, names), np.asarray(labels, np.int64)


def _numbered(path: Path) -> tuple[int, str]:
    number = re.search(r"(\d+)$", path.stem)
    return (int(number.group()) if number else 0, path.name)


def _empty(root: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-PEOPLE",
        f"no people found: {what}",
        where=root,
        remedy="Give a folder that holds one folder of pictures for each person",
    )
