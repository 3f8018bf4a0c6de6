"""A bundle that something is added to: replaced whole, and what else it holds stays as it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError
from embedge.runtime.bundle.bundle import Artifact, Bundle
from embedge.runtime.bundle.writer import write_bundle

__all__ = ["rewritten", "writable"]


def writable(folder: Path, what: str, *, drop_signature: bool) -> Bundle:
    """The opened bundle, unless `what` cannot be added to it."""
    if folder.is_file() or folder.suffix == ".zip":
        raise EmbedgeError(
            "E-BUNDLE-ZIP",
            f"{what} can be added to a bundle folder only",
            where=folder,
            remedy="Unpack the .zip and give the folder",
        )
    bundle = Bundle.open(folder)
    if bundle.signature is not None and not drop_signature:
        bundle.close()
        raise EmbedgeError(
            "E-BUNDLE-SIGNED",
            f"{what} changes the manifest, so the bundle's signature would no longer fit",
            where=folder,
            remedy="Give --drop-signature, then sign the bundle again: embedge sign bundle",
        )
    return bundle


def rewritten(
    folder: Path,
    bundle: Bundle,
    files: Mapping[str, bytes | Path],
    *,
    artifact: Artifact | None = None,
    provenance: Mapping[str, Any] | None = None,
    extras: Mapping[str, Any] | None = None,
) -> None:
    """With these in the place of whatever had their names."""
    artifacts = dict(bundle.artifacts)
    if artifact is not None:
        artifacts.pop(artifact.name, None)
        artifacts[artifact.name] = artifact
    kept = {file: bundle.read(file) for file in bundle.files if file not in files}
    write_bundle(
        folder,
        name=bundle.name,
        contract=bundle.contract,
        artifacts=artifacts.values(),
        files={**kept, **files},
        provenance={**bundle.provenance, **(provenance or {})},
        default_artifact=bundle.default_artifact,
        extras={**bundle.extras, **(extras or {})},
        version=bundle.declared.version,
        expires=bundle.declared.expires,
        replacing=bundle,
    )
