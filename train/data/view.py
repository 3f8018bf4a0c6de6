"""One side of a split of a data set that stays where it is: a folder with a note in it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from embedge.errors import EmbedgeError
from embedge.files import write_json
from embedge.train.data.splits import Subset, split_by_identity
from embedge.train.data.vocabulary import FaceDataset

__all__ = ["View", "side_of"]

_NOTE = "view.json"

Side = Literal["learn", "held-out"]


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
        if whole.fingerprint != self.fingerprint:
            raise EmbedgeError(
                "E-DATA-CHANGED",
                "the data set changed since the run began",
                where=self.source,
                remedy="Put the old one back, or start a new run folder",
            )
        return side_of(whole, self.side, self.held_out, self.seed, self.each)


def side_of(
    whole: FaceDataset, side: Side, held_out: float | int, seed: int, each: int | None = None
) -> Subset:
    learn, out = split_by_identity(whole, held_out, seed)
    chosen = learn if side == "learn" else out
    return chosen if each is None else chosen.first_of_each(each)
