"""The shortlist holds what nothing faster outweighs, and never what is too slow."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from embedge.bench.fitting.shapes import DeviceTimes, Shape, Timing
from embedge.bench.results import Machine
from embedge.errors import EmbedgeError
from embedge.pipeline.fitting.choosing import Fit, _leads, fragment, shortlist, told
from embedge.pipeline.recipe import Student
from embedge.pipeline.run import Run
from embedge.progress import Progress
from embedge.train.models.mobilefacenet import Activation
from embedge.train.models.shape import Architecture


def shape(
    name: str,
    macs: int,
    *,
    architecture: Architecture = "mobilefacenet",
    activation: Activation = "relu",
    width: float = 0.5,
) -> Shape:
    return Shape(
        name=name,
        architecture=architecture,
        scale=1,
        width=width,
        depth=1.0,
        activation=activation,
        parameters=1000,
        macs=macs,
        bytes={"fp32": 4000, "int8-cpu": 1000},
    )


def timing(name: str, precision: str, ms: float) -> Timing:
    return Timing(shape=name, precision=precision, ms=ms, interval=None, runs=9, flagged=0)


def device(*rows: tuple[Shape, float, float]) -> DeviceTimes:
    """(shape, ms in fp32, ms in int8)"""
    times = [
        timing(one.name, precision, ms)
        for one, *both in rows
        for precision, ms in zip(("fp32", "int8-cpu"), both, strict=True)
    ]
    return DeviceTimes(
        machine=Machine(cpu="a processor", cores=1),
        provider="CPUExecutionProvider",
        threads=1,
        dim=512,
        shapes=tuple(one for one, *_ in rows),
        times=tuple(times),
    )


DEVICE = device(
    (shape("small", 10), 2.0, 1.0),
    (shape("slow", 20), 9.0, 6.0),
    (shape("outweighed", 30), 4.0, 3.5),
    (shape("large", 40), 5.0, 3.0),
    (shape("rep", 15, architecture="repface"), 3.0, 2.0),
)


def names(fits: Iterable[Fit]) -> list[str]:
    return [fit.shape.name for fit in fits]


def test_the_largest_of_every_family_come_first_in_their_fastest_precision() -> None:
    fits = shortlist(DEVICE, 4.0, 9)
    assert names(fits) == ["large", "rep", "small"]
    assert {fit.timing.precision for fit in fits} == {"int8-cpu"}
    assert names(shortlist(DEVICE, 4.0, 2)) == ["large", "rep"]


def test_only_a_precision_that_may_run_counts() -> None:
    fits = shortlist(DEVICE, 4.0, 9, ["fp32"])
    assert names(fits) == ["outweighed", "rep", "small"]
    assert [fit.timing.ms for fit in fits] == [4.0, 3.0, 2.0]


def test_where_nothing_is_fast_enough_the_fastest_is_told() -> None:
    with pytest.raises(EmbedgeError, match=r"E-FIT.*within 0.5 ms.*1.00 ms"):
        shortlist(DEVICE, 0.5, 4)


@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.floats(0.1, 10), st.sampled_from(["relu", "prelu"])),
        min_size=1,
        max_size=12,
    ),
    st.floats(0.2, 10),
)
def test_nothing_on_the_list_is_outweighed_and_nothing_outweighing_is_missing(
    rows: list[tuple[int, float, Activation]], limit: float
) -> None:
    shapes = [shape(f"{n}", macs, activation=kind) for n, (macs, _, kind) in enumerate(rows)]
    measured = device(*((one, 99.0, row[1]) for one, row in zip(shapes, rows, strict=True)))
    within = [n for n, (_, ms, _) in enumerate(rows) if ms <= limit]
    if not within:
        with pytest.raises(EmbedgeError):
            shortlist(measured, limit, 99)
        return
    listed = {int(name) for name in names(shortlist(measured, limit, 99))}
    assert listed <= set(within)
    for n in within:
        macs, ms, kind = rows[n]
        over = [
            m for m in within if m != n and rows[m][2] == kind
            and rows[m][0] >= macs and rows[m][1] <= ms
        ]  # fmt: skip
        assert n in listed or over


def test_the_front_is_what_nothing_as_fast_errs_less_than() -> None:
    fits = [
        Fit(shape(name, 1), timing(name, "fp32", ms), eer)
        for name, ms, eer in (("a", 1, 0.3), ("b", 2, 0.2), ("c", 3, 0.25), ("d", 1, None))
    ]
    assert [_leads(fit, fits) for fit in fits] == [True, True, False, False]


def test_the_table_runs_from_the_fastest_and_says_what_was_not_found() -> None:
    fits = [
        Fit(shape("b", 2_000_000), timing("b", "int8-cpu", 2.0), 0.1, 0.5, True),
        Fit(shape("a", 1_000_000), timing("a", "fp32", 1.0)),
    ]
    lines = told(fits, DEVICE, 0.001).splitlines()
    assert lines[2] == "| a | fp32 | 1.00 | 4 | 1,000 | 1 M | – | – |  |"
    assert lines[3] == "| b | int8-cpu | 2.00 | 1 | 1,000 | 2 M | 10.00% | 50.00% | * |"
    assert lines[-1] == "Milliseconds of one face on a processor, 1 thread (CPUExecutionProvider)."


def test_the_fragment_holds_keys_of_a_recipe(tmp_path: Path) -> None:
    fit = Fit(shape("x", 1, architecture="repface"), timing("x", "int8-cpu", 1.5))
    keys = yaml.safe_load(fragment(Run(tmp_path, Progress(quiet=True)), fit).read_text())
    student = Student.model_validate(keys["student"])
    assert (student.architecture, student.width) == ("repface", 0.5)
    assert keys["export"]["precisions"] == ["fp32", "int8-cpu"]
