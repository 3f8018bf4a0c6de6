"""Foreign models, fed as their user or their file says: in our form, confirmed on the faces."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.faces import CorruptRecord, Faces
from embedge.calibration.evaluation.subjects import TakenModel
from embedge.cli.ship.foreign_options import feeding_text, stated_of
from embedge.errors import EmbedgeError
from embedge.optional import require
from embedge.runtime.encoders.ort import METADATA_KEY

if TYPE_CHECKING:
    from embedge.export.intake import feeding

__all__ = ["states_nothing", "taken_models"]

_PEOPLE, _EACH = 32, 4
_STATED = ("mean", "std", "colour", "layout", "embedding")


def _feeding_stated(options: argparse.Namespace) -> bool:
    """`--range` alone says nothing."""
    return any(getattr(options, name) is not None for name in _STATED)


def states_nothing(path: str) -> bool:
    """Whether this is an ONNX file without a contract of ours."""
    file = Path(path)
    if file.suffix == ".zip" or not file.is_file():
        return False
    return METADATA_KEY.encode() not in file.read_bytes()


def taken_models(
    options: argparse.Namespace, faces: Faces, people: NDArray[np.int64]
) -> Mapping[str, TakenModel]:
    """By path; a bundle, or a file with a contract, states its own and is left as it is."""
    foreign = [path for path in options.models if states_nothing(path)]
    if not foreign and _feeding_stated(options):
        raise EmbedgeError(
            "E-FEEDING",
            "every model given states how it is fed, and something was stated beside it",
            remedy="Leave --mean, --std, --colour, --layout and --embedding out",
        )
    if not foreign:
        return {}
    require("onnx", extra="export")
    some = _some(faces, people)
    return {path: _taken(Path(path), options, some) for path in foreign}


def _taken(path: Path, options: argparse.Namespace, some: "feeding.KnownFaces") -> TakenModel:
    from embedge.export.intake.intake import Claims, taken_in

    asked = Claims(stated_of(options), options.embedding, space=options.space)
    taken = taken_in(path, some.images, asked, some)
    model = taken.graph.to_model().SerializeToString()
    return TakenModel(model, taken.contract, feeding_text(taken.feeding))


def _some(faces: Faces, people: NDArray[np.int64]) -> "feeding.KnownFaces":
    """Pictures of people who have several; what cannot be read is counted by whoever embeds."""
    from embedge.export.intake import feeding

    images, labels = list[NDArray[np.uint8]](), list[np.int64]()
    for person in np.unique(people):
        if len(set(labels)) == _PEOPLE:
            break
        for index in np.flatnonzero(people == person)[:_EACH]:
            try:
                images.append(faces.read(int(index)))
            except CorruptRecord:
                continue
            labels.append(person)
    if not images:
        raise EmbedgeError(
            "E-EVALUATE-OPTIONS",
            "no picture can be read, so none confirms how the model is fed",
            remedy="Check --root",
        )
    return feeding.KnownFaces(np.stack(images), np.array(labels))
