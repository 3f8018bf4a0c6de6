"""`insightface:NAME`: recognisers of insightface's model zoo that are on this machine already."""

import os
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.optional import require

__all__ = ["PREFIX", "zoo_file"]

PREFIX = "insightface:"
# packs hold detectors and more; these are the names that their recognisers begin with
_RECOGNISERS = ("w600k_", "glintr", "arcface_", "webface_", "ms1mv")


def zoo_file(name: str, *, root: Path | None = None, download: bool = False) -> Path:
    """The recogniser of a pack such as `buffalo_l`; fetched only if `download` says so."""
    root = root or Path(os.environ.get("INSIGHTFACE_HOME", "~/.insightface")).expanduser()
    pack = root / "models" / name
    if not pack.is_dir() and download:
        require("insightface.utils", extra="zoo").ensure_available("models", name, root=str(root))
    found = sorted(p for p in pack.glob("*.onnx") if p.name.startswith(_RECOGNISERS))
    if len(found) != 1:
        raise _not_there(pack, found)
    return found[0]


def _not_there(pack: Path, found: list[Path]) -> EmbedgeError:
    if not pack.is_dir():
        what = "this model pack is not on this machine"
        remedy = "Put the pack's folder there, or allow the download"
    else:
        names = ", ".join(path.name for path in found) or "none"
        what = f"the pack should hold one recogniser, it holds: {names}"
        remedy = "Name the .onnx file itself as teacher.file"
    return EmbedgeError("E-TEACHER-ZOO", what, where=pack, remedy=remedy)
