"""Stored pictures to aligned faces. JPEGs take libjpeg-turbo directly, the rest takes pillow."""

import numpy as np
import simplejpeg

from embedge.errors import EmbedgeError
from embedge.runtime.picture.images import rgb_from_picture
from embedge.train.data.dataset import SIDE, CorruptRecord, Pictures, UnalignedRecord

__all__ = ["face_from_bytes", "jpeg_from_face"]

_JPEG = b"\xff\xd8\xff"


def face_from_bytes(data: bytes | memoryview, index: int, name: str) -> Pictures:
    """Decode a stored face; anything but a whole 112×112 picture is a corrupt record."""
    if not len(data):
        raise CorruptRecord(index, name, "the record is empty")
    face = _decoded_jpeg(data, index, name) if data[:3] == _JPEG else _decoded(data, index, name)
    if face.shape != (SIDE, SIDE, 3):
        raise UnalignedRecord(index, name, _size(face.shape[1], face.shape[0]))
    return face


def _decoded_jpeg(data: bytes | memoryview, index: int, name: str) -> Pictures:
    try:
        # the header first: a small file may claim to be a huge picture
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        if (height, width) != (SIDE, SIDE):
            raise UnalignedRecord(index, name, _size(width, height))
        face: Pictures = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
    except ValueError as error:
        raise CorruptRecord(index, name, f"broken JPEG ({error})") from error
    return face


def _decoded(data: bytes | memoryview, index: int, name: str) -> Pictures:
    try:
        return rgb_from_picture(bytes(data), max_pixels=4096 * 4096)
    except EmbedgeError as error:
        raise CorruptRecord(index, name, error.what) from error


def _size(width: int, height: int) -> str:
    return f"{width}×{height} pixels, not an aligned {SIDE}×{SIDE} face"


def jpeg_from_face(face: Pictures, quality: int) -> bytes:
    """Encode without subsampling the colours, which a small face cannot spare."""
    pixels = np.ascontiguousarray(face)
    data: bytes = simplejpeg.encode_jpeg(pixels, quality, "RGB", colorsubsampling="444")
    return data
