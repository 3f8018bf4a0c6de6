from dataclasses import replace
from typing import Any

from embedge.bench.core import Measured
from embedge.bench.machine.facts import machine
from embedge.bench.machine.pressure import Load
from embedge.bench.results import ColdStart, Latency, Scenario
from embedge.bench.scenarios import Outcome, Pattern
from embedge.cli.machine.bench_text import bench_text

PROVIDER = "CPUExecutionProvider"
QUIET = Load(25.0, 1.0, 0.0, 0.0, 0.1)


def outcome(name: Pattern, answered: int = 250, **said: Any) -> Scenario:
    """As a load that was run becomes a row."""
    return Outcome(name, [4.0] * 25, 25.0, answered, QUIET, **said).of("fp32", 2, PROVIDER)


def found(**parts: Any) -> list[str]:
    return bench_text(Latency(machine=replace(machine(), cpu="A76\n"), **parts)).split("\n")


def test_a_quantile_that_is_not_known_is_a_dash_and_disturbed_rounds_are_said() -> None:
    taken = [1.5] * 50 + [2.25] * 9 + [3.0]
    ran = Measured("any", taken, rounds=5, rejected=0, flagged=2, loads=[])
    (line,) = found(artifacts=(ran.row("fp32", PROVIDER, threads=2),))[2:]
    assert line == (
        "fp32       2 threads  p50   1.50  p90   2.25  p99      –  max   3.00  (2 rounds disturbed)"
    )


def test_each_load_tells_what_it_is_made_of() -> None:
    loads: dict[Pattern, tuple[dict[str, Any], str]] = {
        "offline": ({"batch": 8}, ", batch 8"),
        "multi-stream": ({"streams": 4}, ", streams 4"),
        "server": ({"load": 0.5}, ", load 0.5"),
        "sustained": ({"slowdown": 1.1}, ", slowdown 1.10"),
    }
    rows = tuple(outcome(name, **fields) for name, (fields, _) in loads.items())
    lines = found(scenarios=rows)[2:]
    assert [line.split("threads  ")[1].split(":")[0] for line in lines] == [
        name + detail for name, (_, detail) in loads.items()
    ]
    assert found(scenarios=(outcome("sustained", answered=249),))[2].endswith(
        "sustained: 10.0 images/s, p50   4.00, p99      –"
    )
    alone = replace(outcome("offline"), scenario="single-stream")
    assert found(scenarios=(alone,))[2].split("threads  ")[1].startswith("single-stream: ")


def test_a_cold_start_is_told_once_it_has_a_total() -> None:
    parts: dict[str, Any] = {"import_s": 0.2, "load_s": 0.1, "first_s": 0.1}
    assert found(cold_start=ColdStart(**parts))[1:] == [""]
    known = ColdStart(**parts, total_s=0.456, peak_rss_bytes=71_400_000)
    assert found(cold_start=known)[-1] == "cold start 0.46 s, peak 71 MB"
