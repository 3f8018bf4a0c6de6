from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.errors import EmbedgeError
from embedge.runtime.encoders import unit_rows
from embedge.runtime.selftest.golden import Expected, Golden

RANDOM = np.random.default_rng(0)


def rows(seed: int, count: int = 3, dim: int = 8) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32))


def small(size: int = 4) -> Golden:
    faces = RANDOM.integers(0, 256, (3, size, size, 3)).astype(np.uint8)
    points = RANDOM.normal(size=(3, 5, 2)).astype(np.float32)
    return Golden(
        faces,
        points,
        {
            "fp32": Expected(0.75, rows(1), rows(2), {"shift:+4,+0": rows(3), "layout": rows(4)}),
            "int8-cpu": Expected(0.5, rows(5), rows(6), {}),
        },
    )


def test_what_is_written_is_read() -> None:
    golden = small()
    found = Golden.parsed(golden.to_bytes())
    np.testing.assert_array_equal(found.faces, golden.faces)
    np.testing.assert_array_equal(found.landmarks, golden.landmarks)
    assert list(found.artifacts) == ["fp32", "int8-cpu"]
    one, right = found.artifacts["fp32"], golden.artifacts["fp32"]
    assert one.nearest == 0.75
    np.testing.assert_array_equal(one.crops, right.crops)
    np.testing.assert_array_equal(one.pictures, right.pictures)
    assert one.faults.keys() == right.faults.keys()
    for name, ill in right.faults.items():
        np.testing.assert_allclose(one.faults[name], ill, atol=1 / 200)


def test_an_artifact_without_faults_of_its_own_has_those_of_the_first() -> None:
    golden = small()
    assert golden.of("int8-cpu").faults.keys() == {"shift:+4,+0", "layout"}
    np.testing.assert_array_equal(golden.of("int8-cpu").crops, golden.artifacts["int8-cpu"].crops)


def test_an_artifact_that_is_not_known_is_held_against_the_first() -> None:
    golden = small()
    strict = {"fp32": replace(golden.artifacts["fp32"], nearest=0.9999)}
    found = replace(golden, artifacts=strict)
    assert found.of("litert-fp16").nearest == 0.999
    assert found.of("ncnn-int8").nearest == 0.9


def test_larger_crops_repeat_the_pixels() -> None:
    golden = small()
    assert golden.crops(4).tobytes() == golden.faces.tobytes()
    twice = golden.crops(8)
    np.testing.assert_array_equal(twice[:, ::2, ::2], golden.faces)
    np.testing.assert_array_equal(twice[:, 1::2, 1::2], golden.faces)


@given(st.integers(0, len(small().to_bytes()) - 1))
def test_a_file_cut_short_is_refused(length: int) -> None:
    with pytest.raises(EmbedgeError, match="E-SELFTEST"):
        Golden.parsed(small().to_bytes()[:length])


@given(st.integers(0, 31 + 64), st.integers(1, 255))
def test_a_changed_head_is_read_or_refused_and_nothing_else(place: int, change: int) -> None:
    data = bytearray(small().to_bytes())
    data[place] ^= change
    with suppress(EmbedgeError):  # anything else is a failure
        Golden.parsed(bytes(data))


def test_more_than_the_file_is_refused() -> None:
    with pytest.raises(EmbedgeError, match="E-SELFTEST"):
        Golden.parsed(small().to_bytes() + b"\0")


def test_infinite_numbers_are_refused() -> None:
    golden = small()
    golden.landmarks[0, 0, 0] = np.inf
    with pytest.raises(EmbedgeError, match="infinite"):
        Golden.parsed(golden.to_bytes())


def test_a_name_too_long_for_the_file_is_told_when_it_is_written() -> None:
    golden = small()
    with pytest.raises(ValueError, match="too long"):
        replace(golden, artifacts={"x" * 65: golden.artifacts["fp32"]}).to_bytes()


@pytest.mark.parametrize("least", [-1.0, 0.0, 1.5, float("nan")])
def test_a_least_cosine_that_anything_passes_is_refused(least: float) -> None:
    lax = Golden(small().faces, small().landmarks, {"fp32": Expected(least, rows(1), rows(2), {})})
    with pytest.raises(EmbedgeError, match="out of its range"):
        Golden.parsed(lax.to_bytes())
