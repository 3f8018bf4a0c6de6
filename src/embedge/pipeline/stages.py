"""Stages that resume: each one's output folder is keyed by a hash of all it was made from."""

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError
from embedge.files import sha256_json, write_json
from embedge.progress import Progress

__all__ = ["Run", "Stage"]

_DONE = "stage.json"
_KEY_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Stage:
    """A finished stage: where its files are and the key that names them."""

    name: str
    key: str
    folder: Path
    facts: dict[str, Any]


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
        work: Callable[[Path], dict[str, Any] | None],
    ) -> Stage:
        """Do `work(folder)` unless the same inputs were worked before. It returns small facts."""
        described = {"stage": name, "inputs": inputs, "after": {s.name: s.key for s in after}}
        key = sha256_json(described)[:_KEY_DIGITS]
        folder = self.folder / "stages" / f"{name}-{key}"
        if (folder / _DONE).is_file():
            self.reused.append(name)
            self.progress.say(f"{name}: reused")
            return Stage(name, key, folder, _read_facts(folder))
        began = time.monotonic()
        self.progress.say(f"{name} …")
        part = folder.with_name(folder.name + ".part")
        part.mkdir(parents=True, exist_ok=True)
        facts = _guarded(work, part) or {}
        seconds = round(time.monotonic() - began, 2)
        write_json(part / _DONE, {**described, "seconds": seconds, "facts": facts})
        if folder.exists():  # a folder without its mark is no finished stage
            shutil.rmtree(folder)
        part.rename(folder)
        self.progress.say(f"{name}: done in {seconds:.1f} s")
        return Stage(name, key, folder, facts)


@contextmanager
def open_run(
    folder: Path, recipe: dict[str, Any], progress: Progress, *, update: bool
) -> Iterator[Run]:
    """Claim a run folder for one process and one recipe."""
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
        _claim(folder, recipe, update=update)
        yield Run(folder, progress)


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


def _claim(folder: Path, recipe: dict[str, Any], *, update: bool) -> None:
    path = folder / "recipe.json"
    if path.is_file() and not update:
        changed = _differences(json.loads(path.read_text()), recipe)
        if changed:
            raise EmbedgeError(
                "E-RUN-OTHER",
                f"this folder belongs to another recipe; different: {', '.join(changed[:6])}",
                where=folder,
                remedy="Choose another --out, or add --update to redo here what these keys change",
            )
    write_json(path, recipe)


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        return [
            name
            for key in keys
            for name in _differences(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [] if old == new else [path]


def _read_facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / _DONE).read_text())["facts"]
    return facts


def _guarded(work: Callable[[Path], dict[str, Any] | None], part: Path) -> dict[str, Any] | None:
    try:
        return work(part)
    except OSError as error:
        raise EmbedgeError(
            "E-WRITE",
            f"the file system refused: {error.strerror or error}",
            where=error.filename or part,
            remedy="Free some space or choose another --out, then run the same command again",
        ) from error
