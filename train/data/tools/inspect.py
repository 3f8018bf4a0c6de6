"""What a data set holds, from its index and a few records."""

from typing import Any

import numpy as np

from embedge.calibration.evaluation.integrity import channel_faults
from embedge.train.data.dataset import SIDE, CorruptRecord, FaceDataset
from embedge.train.data.fingerprint import sampled

__all__ = ["inspect"]

_SAMPLES = 64


def inspect(faces: FaceDataset) -> dict[str, Any]:
    """Facts for a person or a program: counts, spread over identities, a look at some records."""
    per_identity = np.bincount(faces.labels, minlength=faces.classes)
    return {
        "schema": "embedge.data/1",
        "kind": faces.kind,
        "name": faces.name,
        "fingerprint": faces.fingerprint,
        "pictures": len(faces),
        "identities": faces.classes,
        "pictures_per_identity": _spread(per_identity),
        "identities_without_pictures": int((per_identity == 0).sum()),
        "identities_with_one_picture": int((per_identity == 1).sum()),
        "size": [SIDE, SIDE],
        "sample": _sample(faces),
    }


def _spread(counts: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, float]:
    return {
        "least": int(counts.min()),
        "median": float(np.median(counts)),
        "mean": round(float(counts.mean()), 2),
        "most": int(counts.max()),
    }


def _sample(faces: FaceDataset) -> dict[str, Any]:
    """Records spread over the set: do they decode, how large are they, how bright?"""
    sizes, levels, corrupt, read = [], [], [], []
    for index in sampled(len(faces), _SAMPLES):
        try:
            read.append(faces.read(index))
            levels.append(float(read[-1].mean()))
            stored = faces.encoded(index)
        except CorruptRecord as error:
            corrupt.append(str(error))
            continue
        sizes.append(len(stored) if stored is not None else SIDE * SIDE * 3)
    return {
        "read": len(levels),
        "faults": [fault.what for fault in channel_faults(read, len(faces))],
        "mean_bytes": round(float(np.mean(sizes))) if sizes else None,
        "mean_level": round(float(np.mean(levels)), 1) if levels else None,
        "corrupt": corrupt,
    }
