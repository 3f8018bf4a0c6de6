"""Pictures: whole, upright, bounded, or refused with a code."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embedge.errors import EmbedgeError
from embedge.runtime.picture.images import Colour, rgb_from_picture

GRADIENT = np.dstack(
    [
        np.tile(np.arange(40, dtype=np.uint8) * 6, (30, 1)),
        np.tile(np.arange(30, dtype=np.uint8)[:, None] * 8, (1, 40)),
        np.full((30, 40), 200, np.uint8),
    ]
)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def code_of(picture: Any, **options: Any) -> str:
    with pytest.raises(EmbedgeError) as caught:
        rgb_from_picture(picture, **options)
    assert caught.value.remedy
    return caught.value.code


def test_path_bytes_and_array_agree(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(GRADIENT))
    (tmp_path / "a.png").write_bytes(data)
    for picture in (tmp_path / "a.png", str(tmp_path / "a.png"), data, GRADIENT):
        assert np.array_equal(rgb_from_picture(picture), GRADIENT)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_are_exact(form: str) -> None:
    assert np.array_equal(rgb_from_picture(encoded(Image.fromarray(GRADIENT), form)), GRADIENT)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    form = "TIFF" if mode in {"CMYK", "YCbCr"} else "PNG"
    rgb = rgb_from_picture(encoded(Image.fromarray(GRADIENT).convert(mode), form))
    assert rgb.shape == (30, 40, 3)
    assert rgb.dtype == np.uint8
    assert rgb.std() > 20


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    grey = (np.linspace(0, 65535, 1200).reshape(30, 40)).astype(np.uint16)
    rgb = rgb_from_picture(encoded(Image.fromarray(grey)))
    assert np.abs(rgb[..., 0].astype(int) - (grey >> 8)).max() == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {
        1: GRADIENT,
        2: GRADIENT[:, ::-1],
        3: GRADIENT[::-1, ::-1],
        4: GRADIENT[::-1],
        5: GRADIENT.transpose(1, 0, 2),
        6: np.rot90(GRADIENT, -1),
        7: GRADIENT.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(GRADIENT, 1),
    }[orientation]
    rgb = rgb_from_picture(encoded(Image.fromarray(GRADIENT), exif=exif))
    assert np.array_equal(rgb, turned)


def test_truncated_files_are_refused() -> None:
    for form in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
        data = encoded(Image.fromarray(GRADIENT), form)
        assert code_of(data[: len(data) // 2]) == "E-IMAGE"


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    assert code_of(b"") == "E-IMAGE"
    assert code_of(b"hello" * 100) == "E-IMAGE"
    assert code_of(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == "E-IMAGE"
    assert code_of(tmp_path / "absent.png") == "E-IMAGE-MISSING"
    assert code_of(tmp_path) == "E-IMAGE-MISSING"
    assert code_of("a\0b") == "E-IMAGE-MISSING"
    assert code_of(None) == "E-IMAGE-NONE"
    assert code_of(7) == "E-IMAGE-ARRAY"


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    small_file = encoded(Image.new("1", (30_000, 30_000)))
    assert len(small_file) < 200_000
    assert code_of(small_file) == "E-IMAGE-SIZE"
    assert code_of(encoded(Image.fromarray(GRADIENT)), max_pixels=1199) == "E-IMAGE-SIZE"


def test_arrays_of_another_shape_or_type_are_refused() -> None:
    for array in (GRADIENT[..., :2], GRADIENT.astype(np.float32), GRADIENT[:0], GRADIENT[None]):
        assert code_of(array) == "E-IMAGE-ARRAY"
    assert code_of(encoded(Image.fromarray(GRADIENT[..., 0].astype(np.float32)), "TIFF"))


ALPHA = np.concatenate([GRADIENT, np.full_like(GRADIENT[..., :1], 9)], axis=2)


@pytest.mark.parametrize(
    ("picture", "colour", "expected"),
    [
        (GRADIENT, None, GRADIENT),
        (GRADIENT, "BGR", GRADIENT[..., ::-1]),
        (ALPHA, None, GRADIENT),
        (ALPHA, "BGRA", GRADIENT[..., ::-1]),
        (GRADIENT[..., 0], None, GRADIENT[..., :1].repeat(3, 2)),
        (GRADIENT[..., :1], "GREY", GRADIENT[..., :1].repeat(3, 2)),
        (Image.fromarray(GRADIENT), None, GRADIENT),
        (Image.fromarray(ALPHA), "BGR", GRADIENT),  # only arrays need to be told
        (bytearray(encoded(Image.fromarray(GRADIENT))), None, GRADIENT),
        (memoryview(encoded(Image.fromarray(GRADIENT))), None, GRADIENT),
    ],
)
def test_pictures_of_every_kind(picture: Any, colour: Colour | None, expected: np.ndarray) -> None:
    rgb = rgb_from_picture(picture, colour=colour)
    assert np.array_equal(rgb, expected)
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize(
    ("array", "colour"),
    [(GRADIENT, "BGRA"), (ALPHA, "BGR"), (GRADIENT, "GREY"), (GRADIENT[..., 0], "RGB")],
)
def test_a_colour_that_the_channels_contradict(array: np.ndarray, colour: Colour) -> None:
    with pytest.raises(EmbedgeError, match=rf"E-IMAGE-ARRAY.*is not {colour}"):
        rgb_from_picture(array, colour=colour)


@pytest.mark.parametrize("colour", ["YUV", "bgr", "", {}, 0, GRADIENT])
def test_a_colour_that_there_is_not(colour: Any) -> None:
    for picture in (GRADIENT, encoded(Image.fromarray(GRADIENT))):
        with pytest.raises(EmbedgeError, match="E-IMAGE-ARRAY: there is no colour order"):
            rgb_from_picture(picture, colour=colour)


def test_a_pillow_image_is_upright_and_bounded() -> None:
    turned = Image.open(io.BytesIO(encoded(Image.fromarray(GRADIENT), exif=rotated())))
    assert np.array_equal(rgb_from_picture(turned), np.rot90(GRADIENT, -1))
    assert code_of(Image.fromarray(GRADIENT), max_pixels=1199) == "E-IMAGE-SIZE"
    closed = Image.open(io.BytesIO(encoded(Image.fromarray(GRADIENT))[:60]))
    assert code_of(closed) == "E-IMAGE"


def rotated() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_float_pictures_say_why() -> None:
    data = encoded(Image.fromarray(GRADIENT[..., 0].astype(np.float32)), "TIFF")
    assert code_of(data) == "E-IMAGE"


def test_a_matrix_is_a_grey_picture_and_any_path_is_one(tmp_path: Path) -> None:
    class Named(os.PathLike):
        def __fspath__(self) -> str:
            return str(tmp_path / "a.png")

    with pytest.warns(PendingDeprecationWarning):
        matrix = np.asmatrix(GRADIENT[..., 0])
    grey = rgb_from_picture(matrix)
    assert np.array_equal(grey, GRADIENT[..., :1].repeat(3, 2))
    Image.fromarray(GRADIENT).save(tmp_path / "a.png")
    assert np.array_equal(rgb_from_picture(Named()), GRADIENT)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_threads_share_an_image_that_is_not_read_yet(form: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (400, 400, 3), np.uint8))
    (tmp_path / "a").write_bytes(encoded(noise, form, exif=rotated()))
    expected = rgb_from_picture(tmp_path / "a")
    for _ in range(5):
        shared = Image.open(tmp_path / "a")
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(rgb_from_picture, [shared] * 8))
        assert all(np.array_equal(one, expected) for one in found)
