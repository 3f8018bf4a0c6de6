"""A bundle: everything a device needs, every byte accounted for before anybody parses it."""

import functools
import hashlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

from embedge.errors import EmbedgeError, ours
from embedge.runtime.bundle.manifest import FORMAT, Artifact, FileFacts, Manifest
from embedge.runtime.bundle.placing import put_back
from embedge.runtime.bundle.stored.store import FolderStore, Store, ZipStore, replaced_error
from embedge.runtime.bundle.trust import require_current, require_trusted
from embedge.runtime.closing import Closing

__all__ = ["FORMAT", "MANIFEST", "SEAL", "SIGNATURE", "Artifact", "Bundle", "seal_of"]

MANIFEST = "manifest.json"
SEAL = "manifest.json.sha256"  # what `sha256sum -c` reads; the manifest vouches for all the rest
SIGNATURE = "manifest.json.ed25519"  # may be there; runtime/bundle/trust.py checks it
_LARGEST_MANIFEST = 4 << 20
_LARGEST_SIGNATURE = 4096
_TRIES = 5
_GIVE = "Give a folder NAME.embedge or its .zip"

Given = ParamSpec("Given")
Read = TypeVar("Read")


def unless_replaced(read: Callable[Given, Read]) -> Callable[Given, Read]:
    """Whoever meets a bundle that is being replaced reads it again from the start."""

    @functools.wraps(read)
    def again(*given: Given.args, **named: Given.kwargs) -> Read:
        for _ in range(_TRIES - 1):
            try:
                return read(*given, **named)
            except EmbedgeError as error:
                if error.code != "E-BUNDLE-REPLACED":
                    raise
        return read(*given, **named)

    return again


class Bundle(Closing):
    """An opened, verified bundle; a context manager, because a zip file stays open."""

    def __init__(
        self, store: Store, data: bytes, signature: bytes | None, manifest: Manifest
    ) -> None:
        self._store = store
        self.manifest = data
        self.signature = signature
        self.declared = manifest
        self.name = manifest.name
        self.contract = manifest.contract
        self.artifacts = manifest.artifacts
        self.default_artifact = manifest.default_artifact
        self.provenance: Mapping[str, Any] = manifest.provenance
        self.extras: Mapping[str, Any] = manifest.extras

    @classmethod
    @unless_replaced
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        trusted: Sequence[Path] = (),
        at_least: int | None = None,
    ) -> Self:
        """Open a bundle folder or .zip; every file's size and sha256 are checked first.

        With `trusted` public keys, one of them must have signed it: that is decided on the
        manifest's bytes alone, before they are read as JSON and before any other file is unpacked.
        Then it must not have expired, and must be of version `at_least` where one is given.
        """
        if not isinstance(path, str | os.PathLike):
            raise _no_bundle(f"a bundle cannot be opened from {path!r:.80}")
        store = _store_of(Path(path))
        try:
            bundle = cls(store, *_envelope(store, trusted, at_least))
            bundle._check_files()
        except BaseException as error:
            replaced = isinstance(error, EmbedgeError) and store.was_replaced()
            store.close()
            if replaced:  # by one that nothing of this is true of
                raise replaced_error(store.path) from error
            raise
        return bundle

    @property
    def files(self) -> list[str]:
        """Every file the manifest vouches for."""
        return sorted(self.declared.files)

    def stated(self, file: str) -> dict[str, Any]:
        """What the manifest says of a file: `bytes` and `sha256`."""
        return asdict(self._facts(file))

    def _facts(self, file: str) -> FileFacts:
        if file not in self.declared.files:
            raise self._store.refusal(f"the manifest lists no file {file!r}")
        return self.declared.files[file]

    def artifact(self, name: str | None = None) -> Artifact:
        """The artifact of that name, or the default one."""
        chosen = name or self.default_artifact
        if chosen in self.artifacts:
            return self.artifacts[chosen]
        raise EmbedgeError(
            "E-ARTIFACT",
            f"the bundle {self.name} has no artifact '{chosen}'",
            remedy=f"Choose one of: {', '.join(sorted(self.artifacts))}",
        )

    def read(self, file: str) -> bytes:
        """The bytes of one file, verified again on the very bytes that are handed out."""
        stated = self._facts(file)
        data = self._store.read(file, stated.bytes)
        self._require(file, hashlib.sha256(data).hexdigest())
        return data

    def _require(self, file: str, digest: str) -> None:
        if digest != self.declared.files[file].sha256:
            raise self._store.refusal(f"{file} is not what the manifest vouches for")

    def _check_files(self) -> None:
        stated = {MANIFEST, SEAL, *self.declared.files}
        present = set(self._store.names())
        if missing := sorted(stated - present):
            raise self._store.refusal(f"{missing[0]} is missing")
        if extra := sorted(present - stated - {SIGNATURE}):
            raise self._store.refusal(f"{extra[0]} is not in the manifest")
        for file, facts in self.declared.files.items():
            self._require(file, self._store.digest(file, facts.bytes))

    def require_in_place(self) -> None:
        """Whoever changes a bundle changes the one that he read."""
        if self._store.was_replaced():
            raise replaced_error(self._store.path)

    def close(self) -> None:
        self._store.close()


def seal_of(manifest: bytes) -> bytes:
    """The content of the seal file: the manifest's digest in sha256sum's own format."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _store_of(path: Path) -> Store:
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return ZipStore(path)
        store = FolderStore(path)
    except ours(FileNotFoundError) as error:
        left = put_back(path.resolve())
        if path.exists():
            raise replaced_error(path) from error
        remedy = f"Whoever replaced it was killed: rename {left} to it" if left else _GIVE
        raise _no_bundle("there is no bundle here", path, remedy) from error
    except ours((OSError, ValueError)) as error:
        raise _no_bundle(f"there is no bundle here that can be opened ({error})", path) from error
    if not (store.holds(MANIFEST) or store.holds(SEAL)):
        raise replaced_error(path) if store.was_replaced() else _none_in(path)
    return store


def _none_in(folder: Path) -> EmbedgeError:
    """A run folder is not a bundle, it holds one once the run is through."""
    if not (folder / "recipe.json").is_file():
        return _no_bundle(f"this folder is no bundle, it holds no {MANIFEST}", folder)
    again = "Repeat the command that runs it: its bundle is not made yet"
    remedy = next((f"Give {inside}" for inside in sorted(folder.glob("*.embedge"))), again)
    return _no_bundle("this is a run folder, not a bundle", folder, remedy)


def _no_bundle(what: str, where: Path | None = None, remedy: str = _GIVE) -> EmbedgeError:
    return EmbedgeError("E-BUNDLE-MISSING", what, where=where, remedy=remedy)


def _envelope(
    store: Store, trusted: Sequence[Path], at_least: int | None
) -> tuple[bytes, bytes | None, Manifest]:
    """The very bytes that are trusted from here on, who signed them, and what they say."""
    data = store.read(MANIFEST, None, limit=_LARGEST_MANIFEST)
    if store.read(SEAL, None, limit=1024) != seal_of(data):
        raise store.refusal("the manifest does not match its seal")
    signed = SIGNATURE in store.names()
    signature = store.read(SIGNATURE, None, limit=_LARGEST_SIGNATURE) if signed else None
    if not trusted:
        if at_least is not None:
            raise _version_without_trust(store.path)
        return data, signature, _parsed(store, data)
    require_trusted(data, signature, trusted, f"bundle {store.path.name}")
    manifest = _parsed(store, data)
    require_current(manifest, at_least)
    return data, signature, manifest


def _parsed(store: Store, data: bytes) -> Manifest:
    try:
        manifest = Manifest.parsed(data)
    except ours((ValueError, RecursionError)) as error:
        raise store.refusal(f"the manifest is not right: {error}") from error
    for name in manifest.files:
        store.check_name(name)
    return manifest


def _version_without_trust(path: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-OPTION",
        "a version counts only where it is signed",
        where=path,
        remedy="Give the key that must have signed the bundle as well (trusted, --trust)",
    )
