"""The list of people that a model was trained on, held against the people of a test."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from embedge.calibration.evaluation.integrity import DataFault, leaking_subjects
from embedge.errors import EmbedgeError
from embedge.files import unreadable_file

__all__ = ["TrainedOn", "trained_on_from"]

_PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp"})


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """`comparable` is False where no name of the list is even spelled as names of the test are:
    a list of other names proves nothing about them. So many are spelled `unlike` all of them."""

    listed: int
    comparable: bool
    faults: tuple[DataFault, ...]
    unlike: int = 0

    @property
    def words(self) -> str:
        names = f"list of {self.listed:,} name{'' if self.listed == 1 else 's'}"
        if not self.comparable:
            return f"not checked: the {names} names nobody here"
        found = sum(fault.count for fault in self.faults)
        others = f"; {self.unlike:,} are spelled unlike theirs" if self.unlike else ""
        return f"{names}, {found:,} among these people{others}"


def trained_on_from(path: Path, tested: Iterable[str]) -> TrainedOn:
    """Lines of NAME, NAME/ or NAME/PICTURE, or the calibration.json beside a quantised graph."""
    listed, people = _listed(path), sorted(set(tested))
    spelled = {spelling: name for name in sorted(listed) for spelling in _spellings(name)}
    spelled |= {_bare(name): name for name in listed}
    shared = [name for name in people if _bare(name) in spelled]
    told = [_told(name, spelled[_bare(name)], name in listed) for name in shared]
    shapes = {_shape(name) for name in people}
    unlike = sum(_shape(name) not in shapes for name in listed)
    comparable = bool(shared) or unlike < len(listed)
    return TrainedOn(len(listed), comparable, tuple(leaking_subjects(told, told)), unlike)


def _listed(path: Path) -> frozenset[str]:
    try:
        text = path.read_text("utf-8-sig")
        lines = _calibrated(text) if path.suffix == ".json" else text.split("\n")
    except OSError as error:
        raise _refused(f"cannot be read: {unreadable_file(error)}", path) from error
    except UnicodeDecodeError as error:
        raise _refused("is no text", path) from error
    except (ValueError, KeyError, TypeError) as error:
        raise _refused("is JSON, but no calibration.json of `embedge quantize`", path) from error
    names = frozenset(_person(line.strip()) for line in lines if line.strip())
    if names - {"."}:
        return names - {"."}
    raise _refused("names pictures without people" if names else "is empty", path)


def _calibrated(text: str) -> list[str]:
    found = json.loads(text)
    if found["format"] != "embedge.calibration-set/1":
        raise ValueError(found["format"])
    return [str(picture["name"]) for picture in found["pictures"]]


def _person(line: str) -> str:
    path = PurePosixPath(line)
    return (path.parent if path.suffix.lower() in _PICTURES else path).as_posix()


def _spellings(entry: str) -> Iterator[str]:
    """Whom a path or a line of a table may name: its parts, but for bare numbers of a table."""
    for part in re.split(r"[/\\]", entry):
        yield _bare(part)
        yield from (_bare(one) for one in re.split(r"[,;\t]", part) if not one.strip().isdecimal())


def _bare(name: str) -> str:
    """Without case, and without signs that part no numbers."""
    return re.sub(r"(?<!\d)[\W_]+|[\W_]+(?!\d)", "", _folded(name)) or name


def _folded(name: str) -> str:
    return normalize("NFC", normalize("NFC", name).casefold())


def _told(name: str, listed: str, exact: bool) -> str:
    if exact:
        return name
    alike = _folded(name) == _folded(listed)
    differs = "differs in case or encoding" if alike else "is written otherwise"
    return f"{name} (listed as {listed}, which {differs})"


def _shape(name: str) -> str:
    """How names are spelled: letters and digits are any, what lies between them is not."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", name))


def _refused(what: str, path: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-PEOPLE",
        f"the list of people trained on {what}",
        where=path,
        remedy="Give a text file with one name a line, or NAME.calibration.json",
    )
