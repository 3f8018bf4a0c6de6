"""A bundle: everything a device needs, every byte accounted for before anybody parses it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from embedge.errors import EmbedgeError
from embedge.runtime.bundle.store import FolderStore, Store, ZipStore
from embedge.runtime.closing import Closing
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.threshold import Threshold

__all__ = ["FORMAT", "MANIFEST", "SEAL", "SIGNATURE", "Artifact", "Bundle", "seal_of"]

FORMAT = "embedge.bundle/1"
MANIFEST = "manifest.json"
SEAL = "manifest.json.sha256"  # what `sha256sum -c` reads; the manifest vouches for all the rest
SIGNATURE = "manifest.json.ed25519"  # may be there; runtime/bundle/signature.py checks it
_LARGEST_MANIFEST = 4 << 20
_LARGEST_SIGNATURE = 4096
_LARGEST_BUNDLE = 4 << 30


@dataclass(frozen=True, slots=True)
class Artifact:
    """One deployable graph of a bundle and the threshold measured on exactly this graph."""

    name: str
    file: str
    precision: str
    opset: int
    threshold: Threshold | None

    def to_json(self) -> dict[str, Any]:
        threshold = self.threshold.to_json() if self.threshold else None
        return {
            "file": self.file,
            "precision": self.precision,
            "opset": self.opset,
            "threshold": threshold,
        }

    @classmethod
    def from_json(cls, name: str, value: Mapping[str, Any]) -> Self:
        threshold = value["threshold"]
        return cls(
            name=name,
            file=str(value["file"]),
            precision=str(value["precision"]),
            opset=int(value["opset"]),
            threshold=None if threshold is None else Threshold.from_json(threshold),
        )


class Bundle(Closing):
    """An opened, verified bundle; a context manager, because a zip file stays open."""

    def __init__(self, store: Store, data: bytes, manifest: Mapping[str, Any]) -> None:
        self._store = store
        self.manifest = data
        self.signature = _signature_of(store)
        self._files: Mapping[str, Mapping[str, Any]] = manifest["files"]
        self.name = str(manifest["name"])
        self.contract = EmbeddingContract.from_json(manifest["contract"])
        self.artifacts = {
            name: Artifact.from_json(name, value) for name, value in manifest["artifacts"].items()
        }
        self.default_artifact = str(manifest["default_artifact"])
        self.provenance: Mapping[str, Any] = manifest["provenance"]
        self.extras: Mapping[str, Any] = manifest.get("extras", {})

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a bundle folder or .zip; every file's size and sha256 are checked first."""
        store = _store_of(Path(path))
        try:
            bundle = cls(store, *_manifest_of(store))
            bundle._check_references()
            bundle._check_files()
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            store.close()
            raise store.refusal(f"the manifest lacks or misstates {error}") from error
        except BaseException:
            store.close()
            raise
        return bundle

    @property
    def files(self) -> list[str]:
        """Every file the manifest vouches for."""
        return sorted(self._files)

    def stated(self, file: str) -> dict[str, Any]:
        """What the manifest says of a file: `bytes` and `sha256`."""
        if file not in self._files:
            raise self._store.refusal(f"the manifest lists no file {file}")
        return {"bytes": int(self._files[file]["bytes"]), "sha256": self._files[file]["sha256"]}

    def artifact(self, name: str | None = None) -> Artifact:
        """The artifact of that name, or the default one."""
        chosen = name or self.default_artifact
        if chosen in self.artifacts:
            return self.artifacts[chosen]
        raise EmbedgeError(
            "E-ARTIFACT",
            f"the bundle {self.name} has no artifact '{chosen}'",
            remedy=f"It has: {', '.join(sorted(self.artifacts))}",
        )

    def read(self, file: str) -> bytes:
        """The bytes of one file, verified again on the very bytes that are handed out."""
        if file not in self._files:
            raise self._store.refusal(f"the manifest lists no file {file}")
        stated = self._files[file]
        data = self._store.read(file, stated["bytes"])
        if hashlib.sha256(data).hexdigest() != stated["sha256"]:
            raise self._store.refusal(f"{file} is not what the manifest vouches for")
        return data

    def _check_references(self) -> None:
        named = [(name, artifact.file) for name, artifact in self.artifacts.items()]
        absent = [file for _, file in named if file not in self._files]
        if absent:
            raise self._store.refusal(f"the manifest lists no file {absent[0]}")
        if self.default_artifact not in self.artifacts:
            raise self._store.refusal(f"there is no default artifact {self.default_artifact}")
        if sum(int(stated["bytes"]) for stated in self._files.values()) > _LARGEST_BUNDLE:
            raise self._store.refusal("the files are larger than 4 GiB together")

    def _check_files(self) -> None:
        stated = {MANIFEST, SEAL, *self._files}
        present = set(self._store.names())
        if missing := sorted(stated - present):
            raise self._store.refusal(f"{missing[0]} is missing")
        if extra := sorted(present - stated - {SIGNATURE}):
            raise self._store.refusal(f"{extra[0]} is not in the manifest")
        for file in self._files:
            self.read(file)

    def close(self) -> None:
        self._store.close()


def seal_of(manifest: bytes) -> bytes:
    """The content of the seal file: the manifest's digest in sha256sum's own format."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _store_of(path: Path) -> Store:
    if path.is_dir():
        return FolderStore(path)
    if path.is_file():
        return ZipStore(path)
    raise EmbedgeError(
        "E-BUNDLE-MISSING",
        "there is no bundle here",
        where=path,
        remedy="Give a folder NAME.embedge or its .zip",
    )


def _json(data: bytes, store: Store) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise store.refusal("the manifest is not JSON") from error


def _signature_of(store: Store) -> bytes | None:
    if SIGNATURE not in store.names():
        return None
    return store.read(SIGNATURE, None, limit=_LARGEST_SIGNATURE)


def _manifest_of(store: Store) -> tuple[bytes, dict[str, Any]]:
    """The very bytes that are trusted from here on, and what they say."""
    data = store.read(MANIFEST, None, limit=_LARGEST_MANIFEST)
    if store.read(SEAL, None, limit=1024) != seal_of(data):
        raise store.refusal("the manifest does not match its seal")
    manifest = _json(data, store)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise store.refusal(f"the manifest is not of format {FORMAT}")
    for name in manifest["files"]:
        store.check_name(name)
    return data, manifest
