"""Writing a bundle: built beside its place, sealed, then renamed into it."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError, ours
from embedge.files import sha256_file, write_bytes
from embedge.runtime.bundle.bundle import FORMAT, MANIFEST, SEAL, Artifact, Bundle, seal_of
from embedge.runtime.contract import EmbeddingContract

__all__ = ["require_name", "write_bundle"]


def write_bundle(
    folder: Path,
    *,
    name: str,
    contract: EmbeddingContract,
    artifacts: Iterable[Artifact],
    files: Mapping[str, bytes | Path],
    provenance: Mapping[str, Any],
    default_artifact: str,
    extras: Mapping[str, Any] | None = None,
    version: int | None = None,
    expires: date | None = None,
) -> Path:
    """Write `folder` whole or not at all; only a bundle of the same name is ever replaced.

    `version` and `expires`, its last day, mean something once the bundle is signed.
    """
    folder = Path(folder)
    _require_replaceable(folder, name)
    try:
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "name": name,
            "contract": contract.to_json(),
            "files": {file: _facts(content) for file, content in sorted(files.items())},
            "artifacts": {artifact.name: artifact.to_json() for artifact in artifacts},
            "default_artifact": default_artifact,
            "provenance": dict(provenance),
            "extras": dict(extras or {}),
        }
        if version is not None:
            manifest["version"] = version
        if expires is not None:
            manifest["expires"] = expires.isoformat()
        _build(folder, files, manifest)
    except ours(OSError) as error:
        raise EmbedgeError(
            "E-WRITE",
            f"cannot write the bundle: {error.strerror or error}",
            where=error.filename or folder,
            remedy="Free some space or choose a folder you may write to; nothing was replaced",
        ) from error
    return folder


def _build(folder: Path, files: Mapping[str, bytes | Path], manifest: Mapping[str, Any]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    try:
        _fill(part, files, manifest)
        Bundle.open(part).close()  # whoever opens it later will find what was meant
        part.chmod(0o755)
        _swap_in(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _fill(part: Path, files: Mapping[str, bytes | Path], manifest: Mapping[str, Any]) -> None:
    for file, content in files.items():
        data = content if isinstance(content, bytes) else content.read_bytes()
        write_bytes(part / file, data)
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(part / MANIFEST, text.encode())
    write_bytes(part / SEAL, seal_of(text.encode()))


def _facts(content: bytes | Path) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return {"sha256": sha256_file(content), "bytes": content.stat().st_size}


def require_name(name: str, where: str | None = None) -> None:
    """Of a bundle: a file name on every system."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is None:
        raise EmbedgeError(
            "E-BUNDLE-NAME",
            f"{name!r} cannot name a bundle",
            where=where,
            remedy="Use letters, digits, dots, dashes and underscores (--name of a recipe)",
        )


def _require_replaceable(folder: Path, name: str) -> None:
    require_name(name)
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return
    if _name_of(folder) != name:
        raise EmbedgeError(
            "E-BUNDLE-EXISTS",
            f"there is something else here that is not a bundle named {name}",
            where=folder,
            remedy="Choose another folder, or move this one away yourself",
        )


def _name_of(folder: Path) -> str | None:
    """The name in the manifest; a damaged bundle may be replaced, so nothing else is checked."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return str(manifest["name"]) if manifest["format"] == FORMAT else None
    except ours((OSError, ValueError, KeyError, TypeError)):
        return None


def _swap_in(part: Path, folder: Path) -> None:
    if not folder.exists():
        part.rename(folder)
        return
    old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".old"))
    folder.rename(old)  # an empty folder may be renamed over, so this is one step
    try:
        part.rename(folder)
    except BaseException:  # an alarm's too, which may come when it is in place already
        if not folder.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old)
