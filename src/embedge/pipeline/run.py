"""Stages that resume: each one's output folder is keyed by a hash of all it was made from."""

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from embedge.errors import EmbedgeError
from embedge.files import is_of_the_disk, sha256_json, sweep_parts, write_json
from embedge.progress import Progress
from embedge.train.loop import ranks
from embedge.train.loop.schedule import Schedule

__all__ = [
    "Declared",
    "Run",
    "Stage",
    "Training",
    "check_recipe",
    "facts_of",
    "nothing",
    "open_run",
]

Work = Callable[[Path], object]
"""What a stage does in its folder; it returns the small facts that others read of it."""

Facts = TypeVar("Facts")
Content = TypeVar("Content")


def nothing(folder: Path) -> None:
    """Most stages leave nothing in a rehearsal: no other looks at them."""


_DONE = "stage.json"
_RECIPE = "recipe.json"
_COMING = "recipe.coming.json"  # of an --update that is not through yet
_KEY_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Stage:
    """A finished stage: where its files are and the key that names them."""

    name: str
    key: str
    folder: Path
    facts: dict[str, Any]

    def read(self, kind: type[Facts]) -> Facts:
        """The facts as the dataclass that the stage's work returned."""
        return self.opened(_DONE, lambda _: kind(**self.facts))

    def opened(self, name: str, reader: Callable[[Path], Content]) -> Content:
        """A file of it; one that is damaged or gone is named, whatever its format."""
        path = self.folder / name
        try:
            return reader(path)
        except EmbedgeError:
            raise
        except Exception as error:  # each format has its own
            remedy = "Delete the folder that it lies in; the same command makes it again"
            raise _damaged(path, error, remedy) from error


@dataclass(frozen=True, slots=True)
class Training:
    """What a stage trains by, and how to try a few steps of it."""

    schedule: Schedule
    trial: Callable[[Path, Schedule], object]


@dataclass(frozen=True, slots=True)
class Declared:
    """A stage by all that it is made from, what it does, and what a rehearsal does instead."""

    run: Path
    name: str
    inputs: dict[str, Any]
    after: list[Stage]
    work: Work
    together: bool
    stand_in: Work
    training: Training | None
    asks: Callable[[], int]

    @property
    def described(self) -> dict[str, Any]:
        after = {stage.name: stage.key for stage in self.after}
        return {"stage": self.name, "inputs": self.inputs, "after": after}

    @property
    def key(self) -> str:
        return sha256_json(self.described)[:_KEY_DIGITS]

    @property
    def folder(self) -> Path:
        return self.run / "stages" / f"{self.name}-{self.key}"

    @property
    def part(self) -> Path:
        return self.folder.with_name(self.folder.name + ".part")

    def finished(self) -> Stage | None:
        """The stage, if it was worked before; a mark that was cut short says nothing."""
        try:
            facts = json.loads((self.folder / _DONE).read_bytes())["facts"]
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None
        return Stage(self.name, self.key, self.folder, facts) if isinstance(facts, dict) else None


@dataclass(slots=True)
class Run:
    """One run folder. A stage works in `NAME-KEY.part` and is renamed when it is whole."""

    folder: Path
    progress: Progress
    reused: list[str] = field(default_factory=list)

    def stage(
        self,
        name: str,
        inputs: dict[str, Any],
        after: list[Stage],
        work: Work,
        *,
        together: bool = False,
        stand_in: Work = nothing,
        training: Training | None = None,
        asks: Callable[[], int] = lambda: 0,
    ) -> Stage:
        """Do `work(folder)` unless the same inputs were worked before. It returns small facts.

        Where torchrun started several processes, the first one works and the others wait for its
        facts. A training is work for all of them `together`; the first one alone writes.

        In a rehearsal `stand_in(folder)` leaves what later stages look at; `training`, and how many
        pictures the stage `asks` the teacher about, tell how long it would take.
        """
        declared = (name, inputs, after, work, together, stand_in, training, asks)
        return self.made(Declared(self.folder, *declared))

    def made(self, asked: Declared) -> Stage:
        """The finished stage."""
        if not asked.together:
            return ranks.agreed(lambda: self._found(asked) or self._worked(asked))
        found = ranks.agreed(lambda: self._found(asked))
        if found is not None:
            return found
        began = ranks.agreed(lambda: self._begun(asked))
        facts = _guarded(asked.work, asked.part)
        ranks.barrier()
        return ranks.agreed(lambda: self._kept(asked, facts, began))

    def _worked(self, asked: Declared) -> Stage:
        began = self._begun(asked)
        return self._kept(asked, _guarded(asked.work, asked.part), began)

    def _found(self, asked: Declared) -> Stage | None:
        stage = asked.finished()
        if stage is not None:
            self.reused.append(asked.name)
            self.progress.say(f"{asked.name}: reused")
        return stage

    def _begun(self, asked: Declared) -> float:
        self.progress.say(f"{asked.name} …")
        if (mark := asked.folder / _DONE).exists():
            self.progress.say(f"  {mark} cannot be read: the stage is worked again")
        asked.part.mkdir(parents=True, exist_ok=True)
        sweep_parts(asked.part)
        return time.monotonic()

    def _kept(self, asked: Declared, facts: dict[str, Any], began: float) -> Stage:
        folder, part = asked.folder, asked.part
        seconds = round(time.monotonic() - began, 2)
        write_json(part / _DONE, {**asked.described, "seconds": seconds, "facts": facts})
        if folder.exists():  # a folder without its mark is no finished stage
            shutil.rmtree(folder)
        part.rename(folder)
        self.progress.say(f"{asked.name}: done in {seconds:.1f} s")
        return Stage(asked.name, asked.key, folder, facts)


@contextmanager
def open_run(
    folder: Path, recipe: dict[str, Any], progress: Progress, *, update: bool
) -> Iterator[Run]:
    """Claim a run folder for one process, or for those of one torchrun, and one recipe."""
    with ExitStack() as claim:
        ranks.agreed(lambda: claim.enter_context(_claimed(folder, recipe, update=update)))
        yield Run(folder, progress)


@contextmanager
def _claimed(folder: Path, recipe: dict[str, Any], *, update: bool) -> Iterator[None]:
    _require_folder(folder)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EmbedgeError(
                "E-RUN-BUSY",
                "another process is working in this run folder",
                where=folder,
                remedy="Wait for it, or choose another folder with --out",
            ) from error
        settled = _claim(folder, recipe, update=update)
        yield
        settled()


def _require_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise _not_a_run(folder, "this is a file, not a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ".lock").exists():
        raise _not_a_run(folder, "this folder holds other things and is no run folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_a_run(folder, f"cannot make the folder: {error.strerror}") from error


def _not_a_run(folder: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-RUN-FOLDER", what, where=folder, remedy="Choose a new or empty folder with --out"
    )


def _claim(folder: Path, recipe: dict[str, Any], *, update: bool) -> Callable[[], None]:
    """Note whose folder this is; what is to be done once a changed recipe was worked to its end.

    Until then the folder holds what the recipe before it made, and says so.
    """
    path, coming = folder / _RECIPE, folder / _COMING
    if not update:
        check_recipe(folder, recipe)
    if _recipe_in(path) in (None, recipe):
        write_json(path, recipe)
        coming.unlink(missing_ok=True)
        return lambda: None
    write_json(coming, recipe)

    def settled() -> None:
        coming.replace(path)

    return settled


def check_recipe(folder: Path, recipe: dict[str, Any]) -> None:
    """Refuse a folder that another recipe worked in."""
    known = _recipe_in(folder / _RECIPE)
    if changed := _differences(known, recipe) if known is not None else []:
        raise EmbedgeError(
            "E-RUN-OTHER",
            f"this folder belongs to another recipe; different: {', '.join(changed[:6])}",
            where=folder,
            remedy="Choose another --out, or add --update to redo here what these keys change",
        )


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        return [
            name
            for key in keys
            for name in _differences(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [] if old == new else [path]


def _recipe_in(path: Path) -> dict[str, Any] | None:
    """None where no recipe worked yet."""
    try:
        known = json.loads(path.read_bytes()) if path.is_file() else None
        if known is None or isinstance(known, dict):
            return known
        raise ValueError("no recipe")
    except ValueError as error:
        remedy = "Delete this file: stages that the recipe has made already are known by themselves"
        raise _damaged(path, error, remedy) from error


def _damaged(path: Path, error: Exception, remedy: str) -> EmbedgeError:
    what = f"a file of the run cannot be read: {error or type(error).__name__}"
    return EmbedgeError("E-RUN-DAMAGED", what, where=path, remedy=remedy)


def facts_of(found: object) -> dict[str, Any]:
    """What a work returned, as it is stored: a dataclass, a dictionary, or nothing."""
    if is_dataclass(found) and not isinstance(found, type):
        return asdict(found)
    return found if isinstance(found, dict) else {}


def _guarded(work: Work, part: Path) -> dict[str, Any]:
    try:
        return facts_of(work(part))
    except Exception as error:
        if not is_of_the_disk(error):
            raise
        raise EmbedgeError(
            "E-WRITE",
            f"the file system refused: {getattr(error, 'strerror', None) or error}",
            where=getattr(error, "filename", None) or part,
            remedy="Free some space or choose another --out, then run the same command again",
        ) from error
