"""Pictures from anywhere, as uint8 RGB arrays: bounded in size, upright, whole."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from embedge.errors import EmbedgeError
from embedge.runtime.picture.decoding import require_quick, rgb_of, upright
from embedge.runtime.reading import TooLarge, read_bytes

__all__ = ["MAX_PIXELS", "Picture", "RgbImage", "picture_bytes", "rgb_from_picture"]

RgbImage = NDArray[np.uint8]
Picture = str | Path | bytes | RgbImage

MAX_PIXELS = 50_000_000  # decoded, 150 MB as RGB: above any camera a device has
_MAX_BYTES = 64 << 20
_ORIENTATION = 0x0112
_WEIGHT = {"WEBP": 2}  # its decoder holds two canvases besides the frame
# Formats that pillow decodes itself; others (EPS, for one) start foreign programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")


def rgb_from_picture(picture: Picture, *, max_pixels: int = MAX_PIXELS) -> RgbImage:
    """Decode a path, the bytes of a file, or check an (H, W, 3) uint8 RGB array."""
    match picture:
        case np.ndarray():
            return _checked_array(picture)
        case bytes():
            return _rgb_from_bytes(picture, f"{len(picture)} bytes", max_pixels)
        case str() | Path():
            path = Path(picture)
            return _rgb_from_bytes(picture_bytes(path), str(path), max_pixels)
    raise EmbedgeError(
        "E-IMAGE-ARRAY",
        f"a picture cannot be made from {type(picture).__name__}",
        remedy="Give a path, the bytes of an image file, or a uint8 RGB array",
    )


def _checked_array(array: RgbImage) -> RgbImage:
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size:
        return np.ascontiguousarray(array)
    raise EmbedgeError(
        "E-IMAGE-ARRAY",
        f"an image array must be uint8 RGB of shape (H, W, 3), this one is {array.dtype} of shape"
        f" {array.shape}",
        remedy="Convert it first; a BGR array (OpenCV) becomes RGB as array[..., ::-1]",
    )


def picture_bytes(path: Path, *, follow: bool = True) -> bytes:
    """The file, unless it is no file or too large; a link only where it may be followed."""
    try:
        return read_bytes(path, _MAX_BYTES, follow=follow)
    except TooLarge as error:
        raise _too_heavy(str(path)) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
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
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height * _WEIGHT.get(image.format or "", 1) > max_pixels:
                raise _too_large(f"{image.width}×{image.height} pixels", where, max_pixels)
            require_quick(image, data)
            rgb = rgb_of(image)
            turned = image.getexif().get(_ORIENTATION, 1)  # a PNG may tell it behind its pixels
        return upright(rgb, turned)
    except EmbedgeError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large("too many pixels", where, max_pixels) from error
    except UnidentifiedImageError as error:
        raise _undecodable("not a picture of a known format", where) from error
    except Exception as error:  # pillow's parsers raise nearly every class on a broken file
        raise _undecodable(str(error) or type(error).__name__, where) from error


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
