"""What a command writes is never what it reads: refused before anything is opened."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from embedge.errors import EmbedgeError

__all__ = ["require_apart"]

# options that are texts and yet name files: a model may be given as BUNDLE:ARTIFACT
_PATHS_AS_TEXT = frozenset({"model", "models", "new", "old", "recipe", "source", "teacher"})
_PAGES = (".html", ".json")  # a result beside the faces may be written again


def require_apart(options: argparse.Namespace, writes: Sequence[str], *, outside: bool) -> None:
    """`writes` names the options that are outputs; `outside`: none may lie in a folder read."""
    given = vars(options)
    outputs = [given[name] for name in writes if isinstance(given.get(name), Path)]
    inputs = [path for name in given if name not in writes for path in _paths(name, given[name])]
    for number, output in enumerate(outputs):
        for other in outputs[:number]:
            if _same(output, other):
                raise _refused(output, "two outputs are the same file")
        for path in inputs:
            if _same(output, path):
                raise _refused(output, "the output is one of the inputs, which it would replace")
            if path.is_dir() and _inside(output, path, outside=outside):
                raise _refused(output, f"the output lies in the input {path}")


def _paths(name: str, value: object) -> Iterator[Path]:
    """Those that exist: nothing else can be lost."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _paths(name, one)
    elif isinstance(value, str) and name in _PATHS_AS_TEXT:
        named = [Path(value), Path(value.rpartition(":")[0] or value)]
        yield from (path for path in named if path.exists())
    elif isinstance(value, Path) and value.exists():
        yield value


def _same(one: Path, other: Path) -> bool:
    """By content's place too: links and other spellings are the same file."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _inside(output: Path, folder: Path, *, outside: bool) -> bool:
    if folder.resolve() not in output.resolve().parents:
        return False
    precious = output.suffix not in _PAGES or folder.suffix == ".embedge"
    return outside or (output.is_file() and precious)


def _refused(output: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-OVERWRITE",
        f"{what}; nothing was changed",
        where=output,
        remedy="Choose another path for the output",
    )
