"""Whether a network that states nothing is fed as it was trained: the other model knows.

Fed with the wrong colours a recogniser still recognises, only worse, so nothing but a comparison
tells: fed rightly, what it says is foretold better by the other model, picture by picture.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.bridging.ends import pictures_under
from embedge.calibration.bridging.shores import Shore
from embedge.calibration.evaluation.embed import embedded
from embedge.calibration.evaluation.faces import FaceFiles
from embedge.calibration.evaluation.subjects import opened_model
from embedge.calibration.scores import Float32
from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.runtime.bridge import End
from embedge.runtime.encoders.preprocessing import FEEDINGS
from embedge.train.bridge.fit import fitted_bridge
from embedge.train.bridge.pairs import Pairs

__all__ = ["clearly_better", "confirm_feeding", "foretold"]

_PICTURES = 600
_GAIN = 0.005
_ERRORS = 4.0


def confirm_feeding(old: Shore, new: Shore, folder: Path | None, progress: Progress) -> None:
    """Refuse a feeding when another one is clearly better on some of the pictures."""
    doubtful = [shore for shore in (old, new) if not shore.stated]
    if not doubtful or folder is None:
        return
    everybody = pictures_under(folder)
    if any(
        shore.rows is not None and len(shore.rows) != len(everybody.names) for shore in (old, new)
    ):
        return  # they are refused for that, with better words
    index = np.unique(np.linspace(0, len(everybody.names) - 1, _PICTURES).astype(np.int64))
    faces = FaceFiles(everybody.root, [everybody.names[number] for number in index])
    for name, shore, other in (("old", old, new), ("new", new, old)):
        if not shore.stated:
            with progress.task(f"how {shore.name} is fed", len(FEEDINGS)) as task:
                _confirm(name, shore, _rows(other, faces, index), faces)
                task.advance(len(FEEDINGS))


def _confirm(name: str, shore: Shore, known: Float32, faces: FaceFiles) -> None:
    assert shore.model is not None
    contract = shore.model.encoder.contract
    asked = foretold(embedded(faces, shore.model.encoder, ticker=None).embeddings, known)
    for way, feeding in FEEDINGS.items():
        if (feeding.colour, feeding.mean, feeding.std) == (
            contract.colour,
            contract.mean,
            contract.std,
        ):
            continue
        with opened_model(shore.path, preprocessing=way).encoder as encoder:
            other = foretold(embedded(faces, encoder, ticker=None).embeddings, known)
        if clearly_better(other, asked):
            raise EmbedgeError(
                "E-BRIDGE-FEEDING",
                f"fed {way}, {shore.name} agrees with the other model at a cosine of"
                f" {other.mean():.3f} on {len(other)} pictures, fed as it is of {asked.mean():.3f}",
                where=shore.path,
                remedy=f"Add --{name}-preprocessing {way}",
            )


def foretold(rows: Float32, known: Float32) -> NDArray[np.float64]:
    """Per picture, how well a map of `rows` that never saw it meets the `known` row."""
    good = (np.linalg.norm(rows, axis=1) > 0) & (np.linalg.norm(known, axis=1) > 0)
    rows, known = rows[good], known[good]
    ends = End("asked", "", rows.shape[1]), End("known", "", known.shape[1])
    fitted = fitted_bridge(*ends, Pairs([rows], [known]), kind="ridge")
    cosines: NDArray[np.float32] = np.einsum("nd,nd->n", fitted.held_out, fitted.native)
    return cosines.astype(np.float64)


def clearly_better(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Both are of the same pictures, so that their differences are judged."""
    if len(one) != len(other) or len(one) < 100:
        return False
    gain = one - other
    return bool(gain.mean() > max(_GAIN, _ERRORS * gain.std() / np.sqrt(len(gain))))


def _rows(shore: Shore, faces: FaceFiles, index: NDArray[np.int64]) -> Float32:
    if shore.model is not None:
        return embedded(faces, shore.model.encoder, ticker=None).embeddings
    assert shore.rows is not None
    return shore.rows[index]
