"""What every file beside a gallery still holds of somebody: traces, rows that open, copies."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np

from embedge.errors import EmbedgeError, Passing, ours
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.copies.workplace import left_behind
from embedge.runtime.gallery.leftovers import budget as budgets
from embedge.runtime.gallery.leftovers.budget import Effort
from embedge.runtime.gallery.leftovers.contents import Content, contents
from embedge.runtime.gallery.leftovers.rows import headers_in, rows_in, torn_rows
from embedge.runtime.gallery.sealed.header import Header
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.templates import Template
from embedge.runtime.gallery.search.int8 import Matrix, float_from_rows
from embedge.runtime.gallery.storage.carving import Row, carved, headers
from embedge.runtime.gallery.storage.journal import real_path
from embedge.runtime.gallery.storage.raw import Raw, raw
from embedge.runtime.gallery.storage.traces import Traces

__all__ = ["SAME", "Alike", "Search"]

SAME = 0.999  # a cosine that rounding to one byte a dimension leaves the same picture
_MOST_GALLERIES = 100
_MOST_LINKS = 40
_SHORTEST = 16  # bytes of a name that may hold a piece
_AND = " and "
_PART = 1 << 22  # bytes of a large content at a time
_SEAM = 8192  # bytes of each of two neighbours: more than a person's row, or a header


@contextmanager
def _noting(path: Path, unreadable: dict[Path, str]) -> Iterator[None]:
    try:
        yield
    except ours(OSError) as error:
        unreadable.setdefault(path, str(error.strerror or error))
    except ours(Exception) as error:  # they are erased already: the proof outlives any one file
        unreadable.setdefault(path, f"not looked into: {type(error).__name__}: {error}")


def _files_of(folder: Path, unreadable: dict[Path, str]) -> list[Path]:
    found: list[Path] = []
    for place in (folder, *left_behind(folder)):
        try:
            found += sorted(path for path in place.iterdir() if path.is_file())
        except FileNotFoundError:
            continue
        except ours(OSError) as error:
            unreadable[place] = str(error.strerror)
    return found


@dataclass(slots=True, eq=False)
class Search:
    """Every file beside a gallery, for what is left of somebody."""

    traces: Traces
    like: "Alike"
    real: Path
    ledger: Ledger
    budget: Effort = field(default_factory=Effort)
    files: dict[Path, int] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    ledgers: dict[bytes, Ledger] = field(default_factory=dict)

    def run(self, gallery: Path) -> None:
        self.ledgers[self.ledger.raw] = self.ledger
        folders = _folders_of(gallery)
        for folder in folders:
            self.files |= dict.fromkeys(_files_of(folder, self.unreadable), 0)
        self.files = dict.fromkeys(_once(self.files, self.real), 0)
        beside = [path for path in self.files if path != self.real]
        with _noting(self.real, self.unreadable), raw(self.real) as file:
            self._look_at(file)
        self._know_of(beside)
        for path in beside:
            with _noting(path, self.unreadable), raw(path) as file:
                _require_small(file)
                self._look_at(file)
                self._look_into(file)
        for folder in folders:
            with _noting(folder, self.unreadable):
                for path in sorted(folder.iterdir()):
                    self._look_around(path)
        for name, data in _seams(beside):
            with _noting(Path(name), self.unreadable):
                if not set(name.split(_AND)) & set(self.copies):  # then it is told already
                    self._tell(name, name, self._held(partial(torn_rows, data)))

    def _know_of(self, beside: Sequence[Path]) -> None:
        """Rows are opened with the headers of every file."""
        budget = self.budget.again()
        for path in beside:
            with _noting(path, self.unreadable), raw(path) as file:
                _require_small(file)
                self._know(headers(file, anywhere=True))
                for _, data in contents(str(path), file.read(0, file.size), budget):
                    self._know(headers_in(data, budget.again()))
        for name, data in _seams(beside):
            with _noting(Path(name), self.unreadable):
                self._know(headers_in(data, budget.again()))

    def _look_at(self, file: Raw) -> None:
        parts = self.budget.timely(file.parts())
        self.found += dict.fromkeys(self.traces.hits(str(file.path), parts))
        self.files[file.path] = file.size

    def _look_into(self, file: Raw) -> None:
        path = str(file.path)
        self._tell(path, path, self._held(lambda: carved(file, anywhere=True)))
        for name, data in contents(path, file.read(0, file.size), self.budget):
            if name != path:
                parts = self.budget.timely(iter(partial(BytesIO(data).read, _PART), b""))
                self.found += dict.fromkeys(self.traces.hits(name, parts))
            again = self.budget.again()
            self._tell(path, name, self._held(partial(rows_in, data, again)))

    def _look_around(self, path: Path) -> None:
        """What is kept of a file, or of whatever lies there, beside its bytes."""
        with _noting(path, self.unreadable):
            for what, kept in _around(path):
                told = f"{path}: {what}"
                for name, data in contents(told, kept, self.budget) if kept[_SHORTEST:] else ():
                    self.found += dict.fromkeys(self.traces.hits(name, iter([data])))

    def _held(self, rows: Callable[[], Iterator[Row]]) -> set[str]:
        """Whose rows open that have the person's name or one of their templates: the file's own, or
        rows that a rollback puts back into the file that they belong to."""
        wrapped: dict[int, list[tuple[Ledger, str, bytes]]] = {}
        for row in self.budget.timely(rows()):
            match row:
                case (int(number), bytes(sealed)):
                    for ledger in self.ledgers.values():
                        with suppress(EmbedgeError):  # of another gallery, or no person's
                            one = ledger, ledger.name(number, sealed), sealed
                            wrapped.setdefault(number, []).append(one)
        like = self.like
        found = {name for some in wrapped.values() for _, name, _ in some} & {like.person}
        for row in self.budget.timely(rows()) if wrapped else ():
            match row:
                case (int(record), int(number), bytes(sealed)):
                    for ledger, name, key in wrapped.get(number, ()):
                        with suppress(EmbedgeError):
                            templates = ledger.opened(record, number, key, sealed)
                            found |= {name} if like.any_of(templates) else set()
        return found

    def _tell(self, path: str, name: str, held: set[str]) -> None:
        self.copies += [path] if self.like.person in held else []
        for one in sorted(held - {self.like.person}):
            told = f"{name}: a template of theirs under the name '{one}'"
            self.found += [] if told in self.found else [told]

    def _know(self, rows: Iterator[bytes]) -> None:
        """Of galleries, damaged or not, or only saved in a journal.

        One that the key does not open is an OSError: who is in it cannot be read.
        """
        found: dict[bytes, Ledger] = {}
        for row in self.budget.timely(rows):
            try:
                header = Header.from_bytes(row, self.real)
                if len(found) >= _MOST_GALLERIES:
                    raise OSError(errno.E2BIG, "more galleries than can be tried")
                key = self.ledger.key if header.sealed else None
                found[row] = Ledger(header, key, self.real)
            except EmbedgeError as error:
                if error.code == "E-KEY":
                    why = "a gallery that this key does not open"
                    raise OSError(errno.EACCES, why) from error
        self.ledgers = {**found, **self.ledgers}


def _around(path: Path) -> Iterator[Content]:
    yield "its name", os.fsencode(path.name)
    if path.is_symlink():
        yield "where it leads to", os.fsencode(os.readlink(path))  # noqa: PTH115
    try:
        attributes = os.listxattr(path, follow_symlinks=False)
    except ours(OSError) as error:
        if error.errno != errno.ENOTSUP:
            raise
        return
    for name in attributes:
        yield f"its attribute {name}", os.getxattr(path, name, follow_symlinks=False)


def _require_small(file: Raw) -> None:
    if file.size > budgets.LARGEST:
        why = f"not looked into: larger than {budgets.LARGEST >> 20} MiB"
        raise OSError(errno.E2BIG, why)


def _folders_of(gallery: Path) -> list[Path]:
    """The file's own, and that of every link on the way to it."""
    found, path = list[Path](), Path(os.path.abspath(gallery))  # noqa: PTH100
    for _ in range(_MOST_LINKS):
        found.append(real_path(path.parent))
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return list(dict.fromkeys(found))


def _once(files: Iterable[Path], real: Path) -> Iterator[Path]:
    """Without other names of the gallery's own file."""
    for path in files:
        if path == real or real_path(path) != real:
            yield path


def _seams(files: Sequence[Path]) -> Iterator[Content]:
    """Where the end of a file goes on in the next by name, as the pieces of one do (`split`)."""
    tail, before = b"", Path()
    for path in files:
        with Passing(OSError):
            with raw(path) as file:
                head = file.read(0, _SEAM)
                end = file.read(max(0, file.size - _SEAM), _SEAM)
            if tail and path.parent == before.parent:
                yield f"{before}{_AND}{path}", tail + head
                end = (tail + end)[-_SEAM:] if len(end) < _SEAM else end
            tail, before = end, path


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """A person, and the templates they had, in each space that they had some in."""

    person: str
    rows: tuple[Embeddings, ...]

    def any_of(self, templates: Sequence[Template]) -> bool:
        sides = [side for each in templates for side in (each.row, each.across)]
        return any(self._has(side) for side in sides if side is not None)

    def _has(self, row: Matrix) -> bool:
        (kept,) = float_from_rows(row[None])
        some = [rows for rows in self.rows if rows.shape[1] == len(kept)]
        return any((rows @ kept > SAME * np.linalg.norm(kept)).any() for rows in some)
