"""Other ways to show a picture to a network: colours in the other order, another crop."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from embedge.runtime.picture.images import RgbImage

__all__ = ["CUT", "MOVED", "NEARER", "SWAPPED", "WAYS"]

Change = Callable[[RgbImage], RgbImage]

# pixels of 112: more than two aligners of the same faces ever differ by
MOVED = 8
NEARER = 1.15


def cut_otherwise(*, right: float = 0, down: float = 0, nearer: float = 1) -> Change:
    """Another crop of the same picture; its edge goes on where it ends."""

    def cut(picture: RgbImage) -> RgbImage:
        side, margin = len(picture), len(picture) // 4
        wide = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        half, middle = side / nearer / 2, margin + side / 2
        x, y = middle + right * side / 112, middle + down * side / 112
        box = (x - half, y - half, x + half, y + half)
        crop = Image.fromarray(wide).transform(
            (side, side), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR
        )
        return np.asarray(crop)

    return cut


SWAPPED = "with red and blue swapped"
CUT: dict[str, Change] = {
    "cut farther left": cut_otherwise(right=-MOVED),
    "cut farther right": cut_otherwise(right=MOVED),
    "cut higher up": cut_otherwise(down=-MOVED),
    "cut lower down": cut_otherwise(down=MOVED),
    "cut closer": cut_otherwise(nearer=NEARER),
    "cut wider": cut_otherwise(nearer=1 / NEARER),
}
WAYS: dict[str, Change] = {SWAPPED: lambda picture: picture[..., ::-1], **CUT}
