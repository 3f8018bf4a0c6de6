"""A look into insightface's verification sets, for `embedge data`."""

import hashlib
from pathlib import Path
from typing import Any

from embedge.calibration.evaluation.faces import FaceBytes
from embedge.calibration.protocols.binfile import pairs_from_bin
from embedge.errors import EmbedgeError
from embedge.runtime.picture.images import rgb_from_picture
from embedge.train.data.fingerprint import sampled

__all__ = ["verify_bin"]


def verify_bin(path: Path, *, every: bool) -> dict[str, Any]:
    """Counts, and pictures that do not decode: among all of them, or among a few."""
    protocol = pairs_from_bin(path)
    assert isinstance(protocol.faces, FaceBytes)  # what a packed set always holds
    pictures, names = protocol.faces.pictures, protocol.faces.names
    looked_at = range(len(pictures)) if every else sampled(len(pictures))
    found = [_fault(names[index], pictures[index]) for index in looked_at]
    corrupt = [fault for fault in found if fault]
    return {
        "schema": "embedge.data-verification/1",
        "kind": "verification-set",
        "name": path.stem,
        "fingerprint": hashlib.sha256(path.read_bytes()).hexdigest(),
        "pictures": 2 * len(protocol.pairs),
        "different_pictures": len(pictures),
        "pairs": len(protocol.pairs),
        "genuine_pairs": int(protocol.same.sum()),
        "read": len(found),
        "corrupt": len(corrupt),
        "corrupt_records": corrupt,
    }


def _fault(name: str, picture: bytes) -> dict[str, Any] | None:
    try:
        rgb_from_picture(picture)
    except EmbedgeError as error:
        return {"record": name, "reason": error.what}
    return None
