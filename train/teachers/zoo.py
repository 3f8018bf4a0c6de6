"""`insightface:NAME`: recognisers of insightface's model zoo that are on this machine already."""

import os
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.optional import require

__all__ = ["PREFIX", "fetched_pack", "zoo_file"]

PREFIX = "insightface:"
# packs hold detectors and more; these are the names that their recognisers begin with
_RECOGNISERS = ("w600k_", "glintr", "arcface_", "webface_", "ms1mv")


def zoo_file(name: str, *, root: Path | None = None) -> Path:
    """The recogniser of a pack such as `buffalo_l`. Nothing is ever fetched here."""
    pack = _pack(name, root)
    found = sorted(p for p in pack.glob("*.onnx") if p.name.startswith(_RECOGNISERS))
    if len(found) != 1:
        raise _not_there(pack, found)
    return found[0]


def fetched_pack(name: str, *, root: Path | None = None) -> Path:
    """The pack's folder, downloaded by insightface if it is not there. Only a command that was
    told so by its user may call this."""
    pack = _pack(name, root)
    if pack.is_dir():
        return pack
    storage = require("insightface.utils.storage", extra="zoo")
    try:
        storage.ensure_available("models", name, root=str(pack.parent.parent))
    except Exception as error:  # whatever the network, the server or the archive raise
        raise EmbedgeError(
            "E-TEACHER-ZOO",
            f"the model pack cannot be downloaded: {str(error).strip() or type(error).__name__}",
            where=pack,
            remedy="Check its name and the network, or put the pack's folder there yourself",
        ) from error
    return pack


def _pack(name: str, root: Path | None) -> Path:
    home = root or Path(os.environ.get("INSIGHTFACE_HOME", "~/.insightface")).expanduser()
    return home / "models" / name


def _not_there(pack: Path, found: list[Path]) -> EmbedgeError:
    if not pack.is_dir():
        what = "this model pack is not on this machine"
        remedy = "Put the pack's folder there, or allow the download with --allow-download"
    else:
        names = ", ".join(path.name for path in found) or "none"
        what = f"the pack should hold one recogniser, it holds: {names}"
        remedy = "Name the .onnx file itself as teacher.file"
    return EmbedgeError("E-TEACHER-ZOO", what, where=pack, remedy=remedy)
