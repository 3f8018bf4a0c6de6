"""Broken pictures decode or are refused with a code; nothing else ever comes out."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_bundles import face_like

from embedge.errors import EmbedgeError
from embedge.runtime.picture.images import rgb_from_picture

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
CODES = {"E-IMAGE", "E-IMAGE-SIZE"}


def encoded(form: str) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if form in {"JPEG", "PNG", "WEBP", "TIFF"} else {}
    Image.fromarray(face_like(1, 48)).save(buffer, form, **options)
    return buffer.getvalue()


WHOLE = {form: encoded(form) for form in FORMATS}


def decodes_or_is_refused(data: bytes) -> None:
    try:
        image = rgb_from_picture(data)
    except EmbedgeError as error:
        if error.code not in CODES:
            raise
    else:
        assert image.dtype == np.uint8
        assert image.shape[2] == 3


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_and_cut_pictures(form: str, data: st.DataObject) -> None:
    broken = bytearray(WHOLE[form])
    for _ in range(data.draw(st.integers(0, 4))):
        # headers are where parsers go wrong
        last = data.draw(st.sampled_from([60, len(broken) - 1]))
        broken[data.draw(st.integers(0, last))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(broken))))
    decodes_or_is_refused(bytes(broken[:cut]))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([WHOLE[form][:12] for form in FORMATS]), st.binary(max_size=400))
def test_rubbish_behind_a_magic_number(magic: bytes, rest: bytes) -> None:
    decodes_or_is_refused(magic + rest)
