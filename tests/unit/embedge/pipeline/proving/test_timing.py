"""What a device runs: the fastest that holds, by more than the noise."""

import pytest
from timings import timings

from embedge.pipeline.proving.timing import candidates, fastest


def test_a_narrower_graph_is_the_default_only_where_it_is_faster() -> None:
    order = ["fp32", "fp16", "int8-cpu"]
    assert fastest(timings(fp32=2.0, fp16=2.1, int8_cpu=1.0), order).artifact == "int8-cpu"
    slow = fastest(timings(fp32=1.30, fp16=1.31, int8_cpu=1.28), order)
    assert slow.artifact == "fp32"
    assert "int8-cpu not faster than fp32" in slow.why


def test_what_misses_a_gate_is_not_the_default_and_other_runtimes_are_only_told() -> None:
    timed = timings(fp32=2.0, int8_cpu=1.0, int8_openvino=0.5)
    chosen = fastest(timed, ["fp32"])
    assert chosen.artifact == "fp32"
    assert "with its own runtime int8-openvino 0.50" in chosen.why
    assert "no artifact" in fastest(timed, []).why


@pytest.mark.parametrize(
    ("failed", "chosen"),
    [
        (set(), "int8-cpu"),  # int8-trt is not for this processor
        ({"int8-cpu"}, "fp16"),
        ({"int8-cpu", "fp16", "fp32"}, "fp32"),
    ],
)
def test_the_default_is_the_fastest_that_holds(failed: set[str], chosen: str) -> None:
    names = ("fp32", "fp16", "int8-cpu", "int8-trt")
    rows = timings(fp32=3.0, fp16=2.8, int8_cpu=1.0, int8_trt=0.5)
    assert fastest(rows, candidates(names, set(names) - failed)).artifact == chosen
