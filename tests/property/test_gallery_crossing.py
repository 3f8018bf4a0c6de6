"""Records with templates in two spaces, and galleries that hold them: whole, or refused by name."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_memory import memory_folder
from two_galleries import NEW, OLD, bridge, rows, threshold

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.migration.going import forget, migrate
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.sealed.templates import Template, marked_rows, packed, unpacked

KEY = bytes(range(32))
FUZZ = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KINDS: dict[str, np.dtype] = {"float32": np.dtype("<f4"), "int8": np.dtype("|i1")}


@st.composite
def templates(draw: st.DrawFn, kind: np.dtype, dim: int, wide: int) -> list[Template]:
    made = []
    for number in range(draw(st.integers(1, 12))):
        sides = draw(st.sampled_from(["row", "both", "across"]))
        row, across = (
            np.frombuffer(draw(st.binary(min_size=n, max_size=n)), kind)
            for n in (dim * kind.itemsize, wide * kind.itemsize)
        )
        made.append(
            Template(
                f"{number:032x}",
                draw(st.sampled_from(["2026-01-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"])),
                draw(st.sampled_from(["", "fp32", "ü" * 32])),
                None if sides == "across" else row,
                None if sides == "row" else across,
                draw(st.integers(0, 2)),
            )
        )
    return made


def facts(each: Template) -> tuple[object, ...]:
    sides = (None if side is None else side.tobytes() for side in (each.row, each.across))
    return each.record, each.enrolled, each.source, *sides, each.mark


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), dim=st.integers(1, 9), wide=st.integers(1, 9))
@FUZZ
def test_what_is_packed_is_unpacked(kind: str, data: st.DataObject, dim: int, wide: int) -> None:
    dtype = KINDS[kind]
    made = data.draw(templates(dtype, dim, wide))
    bodies = list(packed(made))
    found = [each for body in bodies for each in unpacked(body, dtype, dim)]
    assert list(map(facts, found)) == list(map(facts, made))
    runs = groupby(made, lambda e: (e.enrolled, e.source, e.row is None, e.across is None))
    for body, (_, alike) in zip(bodies, runs, strict=True):
        run = list(alike)
        for across in (False, True):
            sides = [each.at(across=across) for each in run]
            wanted = b"".join(side.tobytes() for side in sides if side is not None)
            stored, marks = marked_rows(body, dtype.itemsize, across=across)
            assert stored == wanted
            newer = across or run[0].across is None
            told = bytes(each.mark if newer else 0 for each in run)
            assert marks == (told if wanted else b"")


def crossing_of(
    flags: tuple[bool, bool] = (True, True), numbers: Sequence[int] = (1, 2, 3)
) -> Crossing:
    return Crossing(NEW, "d" * 64, (threshold(), threshold(0.7, 1e-6)), *flags, *numbers)


@given(
    numbers=st.lists(st.integers(0, 2**62), min_size=3, max_size=3),
    flags=st.tuples(st.booleans(), st.booleans()),
)
@FUZZ
def test_a_state_remembers_its_crossing(numbers: list[int], flags: tuple[bool, bool]) -> None:
    state = State(counter=7, crossing=crossing_of(flags, numbers))
    assert State.from_bytes(state.to_bytes()) == state
    plain = replace(state, crossing=None)
    assert State.from_bytes(plain.to_bytes()) == plain


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("contract", {}),
        ("bridge", 7),
        ("thresholds", [{}]),
        ("thresholds", "none"),
        ("across", 1),
        ("kept", None),
        ("done", -1),
        ("hidden", 2**63),
        ("bridged", 0.5),
        ("other", 0),
    ],
)
def test_a_crossing_that_is_none_is_refused(
    name: str, value: dict[str, Any] | list[dict[str, Any]] | str | float | None
) -> None:
    told = json.loads(State(crossing=crossing_of()).to_bytes())
    told["crossing"][name] = value
    with pytest.raises(ValueError, match=rf"crossing\.{name}"):
        State.from_bytes(json.dumps(told).encode())


def test_a_state_nested_too_deeply_is_refused() -> None:
    raw = State().to_bytes()
    with pytest.raises(ValueError, match="nested"):
        State.from_bytes(raw.replace(b"null", b"[" * 100_000))


@pytest.fixture(scope="module", params=["over", "for good"])
def whole(request: pytest.FixtureRequest) -> Iterator[tuple[Path, bytes]]:
    with memory_folder() as folder:
        yield made(folder / "people.gallery", request.param)


def made(path: Path, kind: str) -> tuple[Path, bytes]:
    with Gallery.create(path, OLD, key=KEY) as gallery:
        for number, row in enumerate(rows(0, 6)):
            gallery.enroll(f"p{number}", row, OLD)
        migrate(gallery, bridge(), NEW)
        gallery.enroll("new", rows(1, 40, NEW.dim), NEW)
        if kind == "for good":
            forget(gallery)
    return path, path.read_bytes()


def answers(path: Path) -> list[object]:
    with Gallery.open(path, key=KEY) as gallery:
        asked = bridge().apply(rows(0, 6))
        return [gallery.people(), gallery.crossing(), gallery.identify(asked, NEW)]


@given(at=st.floats(0, 1), flip=st.integers(1, 255))
@FUZZ
def test_a_changed_byte_changes_no_answer(whole: tuple[Path, bytes], at: float, flip: int) -> None:
    path, content = whole
    path.write_bytes(content)
    wanted = answers(path)
    changed = bytearray(content)
    changed[int(at * (len(content) - 1))] ^= flip
    path.write_bytes(changed)
    try:
        assert answers(path) == wanted
    except EmbedgeError as error:
        if not error.code.startswith("E-GALLERY"):
            raise
    finally:
        path.write_bytes(content)
