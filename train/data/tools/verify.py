"""Read every record: which are corrupt, which pictures stand there twice."""

import hashlib
from typing import Any

from embedge.progress import Progress
from embedge.train.data.dataset import CorruptRecord, FaceDataset

__all__ = ["verify"]

_LISTED = 1000


def verify(faces: FaceDataset, progress: Progress) -> dict[str, Any]:
    """Every corrupt record by name, equal pictures, and a digest of all the pixels."""
    corrupt: list[CorruptRecord] = []
    first: dict[bytes, int] = {}
    twins: list[tuple[int, int]] = []
    everything = hashlib.sha256()
    with progress.task(f"reading {faces.name}", len(faces)) as task:
        for index in range(len(faces)):
            try:
                digest = hashlib.sha256(faces.read(index).tobytes()).digest()
            except CorruptRecord as error:
                corrupt.append(error)
            else:
                everything.update(digest)
                earlier = first.setdefault(digest, index)
                if earlier != index:
                    twins.append((earlier, index))
            task.advance()
    return _report(faces, corrupt, twins, everything.hexdigest())


def _report(
    faces: FaceDataset, corrupt: list[CorruptRecord], twins: list[tuple[int, int]], content: str
) -> dict[str, Any]:
    across = [(a, b) for a, b in twins if faces.labels[a] != faces.labels[b]]
    return {
        "schema": "embedge.data-verification/1",
        "kind": faces.kind,
        "name": faces.name,
        "fingerprint": faces.fingerprint,
        "pictures": len(faces),
        "content": content,
        "corrupt": len(corrupt),
        "corrupt_records": [
            {"index": error.index, "record": error.name, "reason": error.reason}
            for error in corrupt[:_LISTED]
        ],
        "equal_pictures": len(twins),
        "equal_pictures_of_different_identities": [
            {
                "records": [faces.record_name(a), faces.record_name(b)],
                "identities": [faces.identities[faces.labels[i]] for i in (a, b)],
            }
            for a, b in across[:_LISTED]
        ],
        "equal_across_identities": len(across),
    }
