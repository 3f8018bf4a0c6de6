"""One side of a split of a data set that stays where it is: a folder with a note in it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from embedge.errors import EmbedgeError
from embedge.files import write_json
from embedge.train.data.dataset import FaceDataset
from embedge.train.data.splits import Subset, split_by_identity

__all__ = ["View", "check_unchanged", "side_of"]

_NOTE = "view.json"

Side = Literal["learn", "held-out", "whole"]


@dataclass(frozen=True, slots=True)
class View:
    """Which side of which split of which data set; at most `each` pictures of a person."""

    source: str
    side: Side
    held_out: float | int
    seed: int
    each: int | None
    fingerprint: str
    """Of the whole data set, so that a set that changed since is refused."""
    extra: dict[str, str] = field(default_factory=dict)
    """More sources to learn from, with their fingerprints."""

    def save(self, folder: Path) -> None:
        write_json(folder / _NOTE, asdict(self))

    @staticmethod
    def in_folder(folder: Path) -> bool:
        return (folder / _NOTE).is_file()

    @classmethod
    def load(cls, folder: Path) -> "View":
        try:
            facts: dict[str, Any] = json.loads((folder / _NOTE).read_text())
            return cls(**facts)
        except (OSError, ValueError, TypeError) as error:
            raise EmbedgeError(
                "E-DATA-FORMAT",
                f"not a readable note about a data set: {error}",
                where=folder / _NOTE,
                remedy="Start the run in a new folder",
            ) from error

    def open(self, whole: FaceDataset) -> Subset:
        """This side of the data set."""
        check_unchanged(self.source, whole.fingerprint, self.fingerprint)
        return side_of(whole, self.side, self.held_out, self.seed, self.each)


def check_unchanged(source: str, now: str, then: str) -> None:
    if now != then:
        raise EmbedgeError(
            "E-DATA-CHANGED",
            "the data set changed since the run began",
            where=source,
            remedy="Put the old one back, or start a new run folder",
        )


def side_of(
    whole: FaceDataset, side: Side, held_out: float | int, seed: int, each: int | None = None
) -> Subset:
    if side == "whole":
        return Subset.of_labels(whole, np.arange(whole.classes), "whole")
    learn, out = split_by_identity(whole, held_out, seed)
    chosen = learn if side == "learn" else out
    return chosen if each is None else chosen.first_of_each(each)
