from typing import Any

from embedge.bench.results import (
    ArtifactLatency,
    ColdStart,
    Latency,
    Machine,
    Percentiles,
    Scenario,
)
from embedge.cli.machine.bench_text import bench_text

RAN: dict[str, Any] = {"artifact": "fp32", "threads": 2, "provider": "CPUExecutionProvider"}


def found(**parts: Any) -> list[str]:
    return bench_text(Latency(machine=Machine(cpu="A76\n", cores=4), **parts)).split("\n")


def test_a_quantile_that_is_not_known_is_a_dash_and_disturbed_rounds_are_said() -> None:
    row = ArtifactLatency(n=9, p50=1.5, p90=2.25, max=3, flagged=2, **RAN)
    (line,) = found(artifacts=(row,))[2:]
    assert line == (
        "fp32       2 threads  p50   1.50  p90   2.25  p99      –  max   3.00  (2 rounds disturbed)"
    )


def test_each_load_tells_what_it_is_made_of() -> None:
    loads: dict[Any, tuple[dict[str, Any], str]] = {
        "single-stream": ({}, ""),
        "offline": ({"batch": 8}, ", batch 8"),
        "multi-stream": ({"streams": 4}, ", streams 4"),
        "server": ({"load": 0.5}, ", load 0.5"),
        "sustained": ({"slowdown": 1.1}, ", slowdown 1.10"),
    }
    rows = tuple(
        Scenario(scenario=name, images_per_s=10, **RAN, **fields)
        for name, (fields, _) in loads.items()
    )
    lines = found(scenarios=rows)[2:]
    assert [line.split("threads  ")[1].split(":")[0] for line in lines] == [
        name + detail for name, (_, detail) in loads.items()
    ]
    timed = Scenario(
        scenario="sustained", images_per_s=9.96, latency=Percentiles(n=5, p50=4, max=4), **RAN
    )
    assert found(scenarios=(timed,))[2].endswith("sustained: 10.0 images/s, p50   4.00, p99      –")


def test_a_cold_start_is_told_once_it_has_a_total() -> None:
    parts: dict[str, Any] = {"import_s": 0.2, "load_s": 0.1, "first_s": 0.1}
    assert found(cold_start=ColdStart(**parts))[1:] == [""]
    known = ColdStart(**parts, total_s=0.456, peak_rss_bytes=71_400_000)
    assert found(cold_start=known)[-1] == "cold start 0.46 s, peak 71 MB"
