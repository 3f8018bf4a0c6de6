"""Writing a bundle: built beside its place, sealed and signed, then put there in one step."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError, ours
from embedge.files import sha256_file, write_bytes
from embedge.runtime.bundle.bundle import FORMAT, MANIFEST, SEAL, Artifact, Bundle, seal_of
from embedge.runtime.bundle.placing import new_folder
from embedge.runtime.contract import EmbeddingContract

__all__ = ["put_bundle", "require_name", "text_of", "write_bundle"]

Content = bytes | Callable[[], bytes]


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
    replacing: Bundle | None = None,
) -> Path:
    """Write `folder` whole or not at all; only a bundle of the same name is ever replaced.

    `version` and `expires`, its last day, mean something once the bundle is signed. What was made
    from an open bundle is `replacing` it, and nobody's who came in between.
    """

    def manifest() -> bytes:
        value: dict[str, Any] = {
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
            value["version"] = version
        if expires is not None:
            value["expires"] = expires.isoformat()
        return text_of(value)

    contents = {
        file: one.read_bytes if isinstance(one, Path) else one for file, one in files.items()
    }
    put_bundle(Path(folder), name, contents, manifest, replacing)
    return Path(folder)


def text_of(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def put_bundle(
    folder: Path,
    name: str,
    files: Mapping[str, Content],
    manifest: Callable[[], bytes],
    replacing: Bundle | None = None,
) -> None:
    """Put a manifest and its files, with or without a signature, where that bundle may be."""
    place = Path(os.path.realpath(folder))

    def check() -> None:
        _require_replaceable(place, name)
        if replacing is not None:
            replacing.require_in_place()

    try:
        check()
        text = manifest()
        place.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(place, check) as part:
            for file, content in files.items():
                write_bytes(part / file, content if isinstance(content, bytes) else content())
            write_bytes(part / MANIFEST, text)
            write_bytes(part / SEAL, seal_of(text))
            Bundle.open(part).close()  # whoever opens it later will find what was meant
            part.chmod(0o755)
    except ours(OSError) as error:
        raise EmbedgeError(
            "E-WRITE",
            f"cannot write the bundle: {error.strerror or error}",
            where=error.filename or folder,
            remedy="Free some space or choose a folder you may write to; nothing was replaced",
        ) from error


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
    mounted = folder.is_mount()
    free = not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir()))
    if mounted or not (free or _name_of(folder) == name):
        other = "a file system is mounted here"
        raise EmbedgeError(
            "E-BUNDLE-EXISTS",
            other if mounted else f"there is something else here that is not a bundle named {name}",
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
