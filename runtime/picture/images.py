"""Pictures from anywhere, as uint8 RGB arrays: bounded in size, upright, whole.

They are decoded a band at a time: memory and time are bounded beforehand.
"""

import io
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from embedge.errors import EmbedgeError, ours
from embedge.runtime.reading import TooLarge, read_bytes

__all__ = [
    "MAX_PIXELS",
    "Colour",
    "Picture",
    "RgbImage",
    "check_colour",
    "is_one_picture",
    "picture_bytes",
    "rgb_from_picture",
    "rgb_of",
    "upright",
]

RgbImage = NDArray[np.uint8]
# any array: what OpenCV is typed to give is looked at when it is read
Picture = str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | NDArray[Any]
Colour = Literal["RGB", "BGR", "GREY", "RGBA", "BGRA"]
"""what the channels of an array are; OpenCV's are BGR"""

MAX_PIXELS = 50_000_000  # decoded, 150 MB as RGB: above any camera a device has
_MAX_BYTES = 64 << 20
_ORIENTATION = 0x0112
# an image always has the same one: pillow reads its pixels when first asked, not for two at once
_READING = tuple(threading.Lock() for _ in range(64))
_WEIGHT = {"WEBP": 2}  # its decoder holds two canvases besides the frame
_BAND_PIXELS = 1 << 20
_MOST_SCANS = 64  # a progressive JPEG has ten or so; each is a pass over all of its pixels
_LARGEST_TEXT = 4 << 20  # pixels written as words are read by a loop in Python
_TILE_SIDES = (322, 323)  # TIFF: libtiff reserves a whole tile however small the picture is
# Formats that pillow decodes itself; others (EPS, for one) start foreign programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")


def rgb_from_picture(
    picture: Picture, *, colour: Colour | None = None, max_pixels: int = MAX_PIXELS
) -> RgbImage:
    """Decode a path, the bytes of a file or a pillow image, or check a uint8 array.

    Arrays are RGB, RGBA by four channels, grey by one, unless `colour` says otherwise; files know
    their own colours.
    """
    check_colour(colour)
    match picture:
        case np.ndarray():
            # a matrix or another kind of array has rules of its own
            return _rgb_from_array(np.asarray(picture), colour)
        case bytes() | bytearray() | memoryview():
            data = bytes(picture)
            return _rgb_from_bytes(data, f"{len(data)} bytes", max_pixels)
        case str() | os.PathLike():
            path = Path(os.fsdecode(picture))
            return _rgb_from_bytes(picture_bytes(path), str(path), max_pixels)
        case Image.Image():
            return _decoded(lambda: _rgb_from_image(picture, max_pixels), "a pillow image")
        case None:
            raise EmbedgeError(
                "E-IMAGE-NONE",
                "the picture is None: cv2.imread answers that where it finds no file it can read",
                remedy="Check the path, or give the path itself instead of what imread made of it",
            )
    raise EmbedgeError(
        "E-IMAGE-ARRAY",
        f"a picture cannot be made from {type(picture).__name__}",
        remedy="Give a path, the bytes of an image file, a pillow image or a uint8 array; of"
        " several, a list",
    )


def check_colour(colour: object) -> None:
    """None leaves it to the picture; anything else must be an order that is known."""
    if colour is None or (isinstance(colour, str) and colour in get_args(Colour)):
        return
    raise _bad_array(f"there is no colour order {colour!r:.80}")


def is_one_picture(images: Any) -> bool:
    """One, not several; a batch of pictures is a list, or an array of four axes."""
    if isinstance(images, np.ndarray):
        return images.ndim < 4
    single = (str, os.PathLike, bytes, bytearray, memoryview, Mapping, Image.Image)
    return isinstance(images, single) or not hasattr(images, "__len__")


_CHANNELS = {1: "GREY", 3: "RGB", 4: "RGBA"}


def _rgb_from_array(array: NDArray[Any], colour: Colour | None) -> RgbImage:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or not array.size:
        raise _bad_array(
            f"an image array must be uint8 of shape (H, W, 3), this one is {array.dtype} of shape"
            f" {array.shape}"
        )
    channels = array.shape[2] if array.ndim == 3 else 1
    order = colour or _CHANNELS.get(channels)
    if order is None or channels != (1 if order == "GREY" else len(order)):
        raise _bad_array(f"an array of {channels} channels is not {order or 'a picture'}")
    if order == "GREY":
        return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(array[..., 2::-1] if order[0] == "B" else array[..., :3])


def _bad_array(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-IMAGE-ARRAY",
        what,
        remedy=f"Give uint8 from 0 to 255 and say colour= one of {', '.join(get_args(Colour))};"
        " OpenCV's arrays are BGR",
    )


def picture_bytes(path: Path, *, follow: bool = True) -> bytes:
    """The file, unless it is no file or too large; a link only where it may be followed."""
    try:
        return read_bytes(path, _MAX_BYTES, follow=follow)
    except TooLarge as error:
        raise _too_heavy(str(path)) from error
    except IsADirectoryError as error:
        raise EmbedgeError(
            "E-IMAGE-MISSING",
            "a folder is given for a picture",
            where=path,
            remedy="Give a picture of it",
        ) from error
    except ours((OSError, ValueError)) as error:  # ValueError: a null byte in the name
        raise EmbedgeError(
            "E-IMAGE-MISSING",
            f"cannot read the picture: {getattr(error, 'strerror', None) or error}",
            where=path,
            remedy="Check the path and its permissions",
        ) from error


def _rgb_from_bytes(data: bytes, where: str, max_pixels: int) -> RgbImage:
    """Memory stays under 8 bytes a pixel: what pillow decodes (4 at most), and the RGB array."""
    if len(data) > _MAX_BYTES:
        raise _too_heavy(where)

    def decoded() -> RgbImage:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _require_small(image, where, max_pixels)
            _require_quick(image, data)
            return _turned(image)

    return _decoded(decoded, where, max_pixels)


def _rgb_from_image(image: Image.Image, max_pixels: int) -> RgbImage:
    _require_small(image, "a pillow image", max_pixels)
    with _READING[hash((id(image),)) % len(_READING)]:
        image.load()
        orientation = image.getexif().get(_ORIENTATION, 1)
    return upright(rgb_of(image), orientation)


def _require_small(image: Image.Image, where: str, max_pixels: int) -> None:
    if image.width * image.height * _WEIGHT.get(image.format or "", 1) > max_pixels:
        raise _too_large(f"{image.width}×{image.height} pixels", where, max_pixels)


def _turned(image: Image.Image) -> RgbImage:
    rgb = rgb_of(image)
    return upright(rgb, image.getexif().get(_ORIENTATION, 1))  # a PNG tells it behind its pixels


def _decoded(decode: Callable[[], RgbImage], where: str, max_pixels: int = MAX_PIXELS) -> RgbImage:
    try:
        return decode()
    except EmbedgeError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large("too many pixels", where, max_pixels) from error
    except UnidentifiedImageError as error:
        raise _undecodable("not a picture of a known format", where) from error
    except ours(Exception) as error:  # pillow's parsers raise nearly every class on a broken file
        raise _undecodable(str(error) or type(error).__name__, where) from error


def _require_quick(image: Image.Image, data: bytes) -> None:
    """Refuse what takes minutes or gigabytes for the pixels it has; a ValueError says why."""
    if image.format == "JPEG" and data.count(b"\xff\xda") > _MOST_SCANS:
        raise ValueError("it is coded in more passes than any camera writes")
    if data[:2] in (b"P1", b"P2", b"P3") and len(data) > _LARGEST_TEXT:
        raise ValueError("its pixels are written as text")
    tags = getattr(image, "tag_v2", {})
    sides = [tags.get(side) for side in _TILE_SIDES]
    if any(isinstance(side, int) and side > 2 * max(image.size) + 1024 for side in sides):
        raise ValueError("its tiles are larger than the picture")


def rgb_of(image: Image.Image) -> RgbImage:
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


def upright(image: RgbImage, orientation: object) -> RgbImage:
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


def _undecodable(why: str, where: str) -> EmbedgeError:
    return EmbedgeError(
        "E-IMAGE",
        f"cannot decode the picture: {why}",
        where=where,
        remedy="Give a whole JPEG, PNG, WebP, BMP, GIF, TIFF or PPM file",
    )


def _too_large(size: str, where: str, max_pixels: int) -> EmbedgeError:
    return EmbedgeError(
        "E-IMAGE-SIZE",
        f"the picture decodes to {size}, the limit is {max_pixels / 1e6:g} megapixels",
        where=where,
        remedy="Make it smaller first",
    )


def _too_heavy(where: str) -> EmbedgeError:
    return EmbedgeError(
        "E-IMAGE-SIZE",
        f"the image file is larger than {_MAX_BYTES >> 20} MiB",
        where=where,
        remedy="Make it smaller first",
    )
