"""Pictures that cost far more than they are: bounded before it is spent."""

import io
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tiny_bundles import face_like

from embedge.errors import EmbedgeError
from embedge.runtime.picture.images import rgb_from_picture, rgb_of, upright

MEASURE = """
import sys
from embedge.runtime.picture.images import rgb_from_picture
peak = lambda: int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
data = open(sys.argv[1], "rb").read()
before = peak()
shape = rgb_from_picture(data).shape
print((peak() - before) * 1024 / (shape[0] * shape[1]))
"""


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("dtype", "form"),
    [(np.uint16, "PNG"), (np.int32, "TIFF"), (np.uint8, "PNG"), (np.uint8, "GIF")],
)
def test_memory_is_bounded_by_the_pixels_whatever_the_bits(
    tmp_path: Path, dtype: type, form: str
) -> None:
    options = {"compression": "tiff_deflate"} if form == "TIFF" else {}
    picture = tmp_path / "zeros"
    picture.write_bytes(saved(Image.fromarray(np.zeros((5000, 5000), dtype)), form, **options))
    assert picture.stat().st_size < 300_000
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, picture], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 9.5  # and two copies of a band


def test_webp_takes_twice_the_memory_so_half_the_pixels() -> None:
    data = saved(Image.fromarray(np.zeros((400, 400, 3), np.uint8)), "WEBP")
    assert rgb_from_picture(data, max_pixels=320_000).shape == (400, 400, 3)
    with pytest.raises(EmbedgeError, match="E-IMAGE-SIZE"):
        rgb_from_picture(data, max_pixels=319_999)


def test_a_jpeg_of_a_thousand_passes_is_refused_at_once() -> None:
    whole = saved(Image.fromarray(face_like(0, 1000)), "JPEG", progressive=True)
    assert rgb_from_picture(whole).shape == (1000, 1000, 3)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    began = time.process_time()
    with pytest.raises(EmbedgeError, match=r"E-IMAGE.*more passes"):
        rgb_from_picture(whole[:-2] + scan * 1000 + whole[-2:])
    assert time.process_time() - began < 1


def test_pixels_written_as_words_are_read_from_small_files_only() -> None:
    header = b"P3\n%d %d\n255\n"
    assert rgb_from_picture(header % (2, 1) + b"1 2 3 4 5 6").tolist() == [[[1, 2, 3], [4, 5, 6]]]
    with pytest.raises(EmbedgeError, match=r"E-IMAGE.*written as text"):
        rgb_from_picture(header % (2000, 1000) + b"1 " * 6_000_000)


def test_a_tile_larger_than_its_picture_is_refused() -> None:
    tags = b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in (
            *((256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1)),
            *((322, 60_000), (323, 60_000), (324, 8), (325, 40)),
        )
    )
    data = b"II*\0" + struct.pack("<IH", 8, 10) + tags + bytes(4) + bytes(100)
    with pytest.raises(EmbedgeError, match=r"E-IMAGE.*tiles are larger"):
        rgb_from_picture(data)


@pytest.mark.parametrize("orientation", range(10))
def test_upright_is_what_pillow_makes_of_it(orientation: int) -> None:
    picture = face_like(3, 40)[:, :25]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(picture), "PNG", exif=exif)
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(upright(picture, orientation), expected)
    assert np.array_equal(rgb_from_picture(data), expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_bands_join_to_what_pillow_converts_at_once(mode: str) -> None:
    picture = Image.fromarray(face_like(1, 1500)).convert(mode)
    assert np.array_equal(rgb_of(picture), np.asarray(picture.convert("RGB")))
