"""Camera pictures of people who do not exist, for whatever times a whole verification."""

import io
from typing import Any

from PIL import Image

from embedge.runtime.picture.images import RgbImage
from embedge.train.render import FaceRenderer

__all__ = ["rendered_queries"]

_QUERIES = 8
_SCENE = (480, 640)


def rendered_queries(seed: int) -> list[tuple[Any, Any]]:
    return [_query(seed, number) for number in range(_QUERIES)]


def _query(seed: int, number: int) -> tuple[Any, Any]:
    """Two camera pictures of one person, with landmarks, as a door would see them."""
    renderer = FaceRenderer(seed)
    first, second = (renderer.render_scene(-1 - number, sample, _SCENE) for sample in (0, 1))
    return (_jpeg(first.image), first.landmarks), (_jpeg(second.image), second.landmarks)


def _jpeg(image: RgbImage) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=90)
    return stream.getvalue()
