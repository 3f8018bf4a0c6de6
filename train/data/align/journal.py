"""What is done already, kept a line each, so that a stopped alignment goes on where it was."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from embedge.errors import EmbedgeError
from embedge.files import sha256_file, write_json
from embedge.runtime.closing import Closing
from embedge.train.data.align.cutting import Cut, Cutting, stamp_of

__all__ = ["Journal"]

_SETTINGS = "align.json"
_LINES = "cuts.jsonl"


class Journal(Closing):
    """Beside the faces of an unfinished alignment; a line is written after its face."""

    def __init__(self, folder: Path, cutting: Cutting) -> None:
        self.folder, self._cutting = folder, cutting
        folder.mkdir(parents=True, exist_ok=True)
        self._claim()
        self.done = self._read()
        self._stream = (folder / _LINES).open("a", encoding="utf-8")

    def note(self, cut: Cut) -> None:
        self.done[cut.photo] = cut
        self._stream.write(json.dumps(asdict(cut)) + "\n")
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()

    def remove(self) -> None:
        """The folder is about to become a data set."""
        self.close()
        (self.folder / _LINES).unlink()
        (self.folder / _SETTINGS).unlink()

    @property
    def _settings(self) -> dict[str, Any]:
        named = asdict(self._cutting)
        named["root"] = str(self._cutting.root.resolve())
        named["detector"] = sha256_file(self._cutting.detector)
        return named

    def _claim(self) -> None:
        path = self.folder / _SETTINGS
        if not path.is_file():
            write_json(path, self._settings)
            return
        try:
            before = json.loads(path.read_bytes())
        except ValueError:
            before = None
        if before != self._settings:
            raise EmbedgeError(
                "E-ALIGN-OTHER",
                "an alignment with other photos or settings was stopped here",
                where=self.folder,
                remedy="Repeat it with the same options, or remove this folder to begin anew",
            )

    def _read(self) -> dict[str, Cut]:
        """Lines whose photo and face are still what they were; a torn last line is none."""
        found: dict[str, Cut] = {}
        path = self.folder / _LINES
        if not path.is_file():
            return found
        whole = [line for line in path.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"]
        for line in whole:
            cut = _cut(json.loads(line))
            if self._holds(cut):
                found[cut.photo] = cut
        path.write_bytes(b"".join(whole))
        return found

    def _holds(self, cut: Cut) -> bool:
        face = self.folder / cut.crop
        kept = bool(cut.code) or (face.is_file() and face.stat().st_size > 0)
        return kept and stamp_of(self._cutting.root / cut.photo) == cut.stamp

    def __enter__(self) -> Self:
        return self


def _cut(line: dict[str, Any]) -> Cut:
    pairs = {"stamp": tuple(line["stamp"]), "landmarks": tuple(line["landmarks"])}
    return Cut(**{**line, **pairs})


def synced(paths: Iterable[Path]) -> None:
    """On the disk, not only on their way to it."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
