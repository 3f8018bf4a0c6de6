"""A set of faces whose channels are in the wrong order: each of its faces is bluer than skin."""

from collections.abc import Iterable

import numpy as np

from embedge.calibration.evaluation.faces import CorruptRecord, Faces
from embedge.calibration.evaluation.integrity import DataFault
from embedge.runtime.picture.images import RgbImage
from embedge.runtime.picture.skin import BLUER_THAN_SKIN, cheeks_of

__all__ = ["channel_faults", "some_of"]

_LOOKED_AT = 64


def channel_faults(pictures: Iterable[RgbImage], count: int) -> list[DataFault]:
    """One face may stand in blue light; half of them do not. `count`: of the whole set."""
    cheeks = [cheeks_of(picture) for picture in pictures]
    if not cheeks:
        return []
    blue = float(np.median([blue - red for red, blue in cheeks]))
    if blue <= BLUER_THAN_SKIN:
        return []
    what = (
        f"the faces are bluer than skin is (by {blue:.0f} grey levels, median of {len(cheeks)}):"
        " their channels look like BGR; write them as RGB"
    )
    return [DataFault("channel-order", "warning", what, count)]


def some_of(faces: Faces) -> Iterable[RgbImage]:
    """Pictures spread evenly over the set; those that cannot be read are told elsewhere."""
    spread = np.linspace(0, len(faces) - 1, min(_LOOKED_AT, len(faces))).astype(int)
    for index in spread:
        try:
            yield faces.read(int(index))
        except CorruptRecord:
            continue
