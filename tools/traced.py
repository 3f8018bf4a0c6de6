"""Which files of the product a call enters, in the order in which it first does."""

import inspect
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

__all__ = ["files_entered"]

_FUNCTION = inspect.CO_OPTIMIZED  # neither a module nor the body of a class


def files_entered(call: Callable[[], object], source: Path, name: str = "embedge") -> list[str]:
    """Files of the package below `source` whose functions run, except while a module is imported.

    A file counts by one function entered, so types and constants that are only named do not.
    """
    package = source / name
    homes = {folder.resolve(): folder for folder in package.iterdir() if folder.is_symlink()}
    entered: dict[str, None] = {}
    importing = threading.local()

    def seen(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if code.co_name == "<module>" and event in ("call", "return"):
            importing.depth = getattr(importing, "depth", 0) + (1 if event == "call" else -1)
        elif event == "call" and code.co_flags & _FUNCTION and not getattr(importing, "depth", 0):
            path = _told(Path(code.co_filename), package, homes)
            if path:
                entered.setdefault(path)

    threading.setprofile(seen)
    sys.setprofile(seen)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return list(entered)


def _told(path: Path, package: Path, homes: dict[Path, Path]) -> str | None:
    """The file by its room: `runtime/matcher.py`, `pipeline/recipe.py`."""
    if path.is_relative_to(package):
        return path.relative_to(package).as_posix()
    for real, folder in homes.items():
        if path.is_relative_to(real):
            return (folder.relative_to(package) / path.relative_to(real)).as_posix()
    return None
