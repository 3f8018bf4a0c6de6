"""An opened picture as upright RGB, a band at a time: memory and time are bounded beforehand."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["require_quick", "rgb_of", "upright"]

_BAND_PIXELS = 1 << 20
_MOST_SCANS = 64  # a progressive JPEG has ten or so; each is a pass over all of its pixels
_LARGEST_TEXT = 4 << 20  # pixels written as words are read by a loop in Python
_TILE_SIDES = (322, 323)  # TIFF: libtiff reserves a whole tile however small the picture is

Rgb = NDArray[np.uint8]


def require_quick(image: Image.Image, data: bytes) -> None:
    """Refuse what takes minutes or gigabytes for the pixels it has; a ValueError says why."""
    if image.format == "JPEG" and data.count(b"\xff\xda") > _MOST_SCANS:
        raise ValueError("it is coded in more passes than any camera writes")
    if data[:2] in (b"P1", b"P2", b"P3") and len(data) > _LARGEST_TEXT:
        raise ValueError("its pixels are written as text")
    tags = getattr(image, "tag_v2", {})
    sides = [tags.get(side) for side in _TILE_SIDES]
    if any(isinstance(side, int) and side > 2 * max(image.size) + 1024 for side in sides):
        raise ValueError("its tiles are larger than the picture")


def rgb_of(image: Image.Image) -> Rgb:
    """Any mode to (height, width, 3); grey of 16 bits is scaled, where pillow would clip it."""
    if image.mode == "F":
        raise ValueError("it holds floating-point values of unknown range")
    image.load()
    shift = _grey_shift(image)
    out = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        part = image.crop((0, top, image.width, min(top + rows, image.height)))
        if shift is None:
            out[top : top + rows] = np.asarray(part.convert("RGB"))
        else:
            grey = np.clip(np.asarray(part).astype(np.int64) >> shift, 0, 255)
            out[top : top + rows] = grey[:, :, None]
    return out


def _grey_shift(image: Image.Image) -> int | None:
    """How far to shift a grey of more than 8 bits; None where pillow converts rightly."""
    if not image.mode.startswith("I"):
        return None
    if image.mode.startswith("I;16"):
        return 8
    _, highest = image.getextrema()
    return 8 if float(highest) > 255 else 0  # type: ignore[arg-type]


def upright(image: Rgb, orientation: object) -> Rgb:
    """The picture as EXIF says it was held."""
    match orientation:
        case 2:
            turned = image[:, ::-1]
        case 3:
            turned = image[::-1, ::-1]
        case 4:
            turned = image[::-1]
        case 5:
            turned = image.transpose(1, 0, 2)
        case 6:
            turned = np.rot90(image, -1)
        case 7:
            turned = np.rot90(image, 2).transpose(1, 0, 2)
        case 8:
            turned = np.rot90(image)
        case _:
            turned = image
    return np.ascontiguousarray(turned)
