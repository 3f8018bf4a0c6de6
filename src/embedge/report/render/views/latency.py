"""Latency: bars per artifact, the waterfall of one verification, the cold start."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from embedge.bench.results import (
    ArtifactLatency,
    ColdStart,
    Energy,
    Latency,
    Machine,
    Percentiles,
    Scenario,
    StageLatency,
)
from embedge.report.model import Report
from embedge.report.render.plots import series_plot
from embedge.report.render.words import byte_text, ms_text

__all__ = ["latency_views", "machine_text"]

_LOADED = ("multi-stream", "server", "sustained")
_WHOLE = "end to end"


def latency_views(report: Report) -> list[dict[str, Any]]:
    return [_latency(one, number) for number, one in enumerate(report.machines)]


def _latency(latency: Latency, number: int) -> dict[str, Any]:
    rows = latency.artifacts
    return {
        "first": number == 0,
        "device": latency.device,
        "bars": _bars(rows),
        # rounds are shared by all rows: the worst row tells of all of them
        "flagged": max((row.flagged for row in rows), default=0),
        "rejected": max((row.rejected for row in rows), default=0),
        "loads": [_load(row) for row in latency.scenarios if row.scenario in _LOADED],
        "plots": _plots(latency.scenarios, f"load{number}"),
        "energy": _energy(latency.energy),
        "verify": _waterfall(latency.verify),
        "verify_artifact": latency.verify_artifact,
        "cold": _cold(latency.cold_start),
        "machine": machine_text(latency.machine),
    }


def _bars(rows: Sequence[ArtifactLatency]) -> list[dict[str, Any]]:
    """One group per artifact; every bar on one scale, so they compare at a glance."""
    longest = max((_reach(row) for row in rows), default=0) or 1
    groups: dict[str, list[ArtifactLatency]] = {}
    for row in rows:
        groups.setdefault(row.artifact, []).append(row)
    return [
        {
            "artifact": name,
            "rows": [_bar(row, longest) for row in chosen],
            "note": _note(chosen),
        }
        for name, chosen in groups.items()
    ]


def _note(rows: Sequence[ArtifactLatency]) -> str:
    """What ran, how often, and why a quantile is absent: once for all rows."""
    runs = ", ".join(f"{row.n:,} on {_threads(row.threads)}" for row in rows)
    needs = {name: count for row in rows for name, count in row.needs.items()}
    missing = "".join(f"; {name} takes {count:,} runs" for name, count in needs.items())
    flagged = max(row.flagged for row in rows)
    disturbed = f"; {flagged} rounds disturbed" if flagged else ""
    return f"{_provider(rows[0])}; runs: {runs}{missing}{disturbed}"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count != 1 else ''}"


def _provider(row: ArtifactLatency) -> str:
    return row.provider.removesuffix("ExecutionProvider")


def _reach(row: ArtifactLatency) -> float:
    """The longest thing a bar shows; the single worst run would squeeze all the rest."""
    known = [value for value in (row.p50, row.p90, row.p99) if value is not None]
    return max(known, default=row.max)


def _bar(row: ArtifactLatency, longest: float) -> dict[str, Any]:
    quantiles = {"p50": row.p50, "p90": row.p90, "p99": row.p99}
    return {
        "threads": row.threads,
        "provider": _provider(row),
        "n": f"{row.n:,}",
        **_texts(row),
        **{
            f"{name}_at": None if value is None else 100 * value / longest
            for name, value in quantiles.items()
        },
    }


def _texts(row: Percentiles | None) -> dict[str, str]:
    return {
        name: ms_text(None if row is None else getattr(row, name))
        for name in ("p50", "p90", "p99", "max")
    }


def _waterfall(rows: Sequence[StageLatency]) -> list[dict[str, Any]]:
    """Each stage begins where the one before ended; the whole is the last line."""
    steps = [row for row in rows if row.stage != _WHOLE]
    total = sum(_typical(row) for row in steps) or 1
    begin, drawn = 0.0, []
    for row in steps:
        width = 100 * _typical(row) / total
        drawn.append({**_stage(row), "left": begin, "width": width, "whole": False})
        begin += width
    whole = (row for row in rows if row.stage == _WHOLE)
    return [*drawn, *({**_stage(row), "left": 0, "width": 100, "whole": True} for row in whole)]


def _typical(row: StageLatency) -> float:
    return next(value for value in (row.p50, row.mean, row.max) if value is not None)


def _stage(row: StageLatency) -> dict[str, Any]:
    return {"stage": row.stage, "n": f"{row.n:,}", **_texts(row)}


def _load(row: Scenario) -> dict[str, Any]:
    """One load pattern in words and figures."""
    return {
        "scenario": row.scenario,
        "said": _pattern(row),
        "artifact": row.artifact,
        "threads": row.threads,
        "rate": f"{row.images_per_s:.1f}",
        **_texts(row.latency),
    }


def _pattern(row: Scenario) -> str:
    if row.scenario == "multi-stream":
        return f"{row.streams} callers at once"
    if row.scenario == "server":
        over = ": more than it can take" if row.overloaded else ""
        return f"arrivals at {row.offered_per_s or 0:.1f} a second{over}"
    return f"without pause, slowdown {row.slowdown or 0:.2f}×"


def _plots(scenarios: Sequence[Scenario], name: str) -> list[dict[str, Any]]:
    """The batch curve, and how the pace held under sustained load."""
    batches: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    paces = {}
    for row in scenarios:
        label = f"{row.artifact}, {_threads(row.threads)}"
        if row.scenario == "offline":
            batches[label].append((row.batch or 1, row.images_per_s))
        elif row.scenario == "sustained" and row.windows:
            paces[label] = ([one.at_s for one in row.windows], [one.p50 for one in row.windows])
    curves = {
        label: ([batch for batch, _ in sorted(points)], [rate for _, rate in sorted(points)])
        for label, points in batches.items()
    }
    drawn = []
    if curves:
        svg = series_plot(
            curves, name=f"{name}b", x="batch", y="pictures a second", log_x=True, from_zero=True
        )
        drawn.append({"title": "Throughput over batch size", "svg": svg, "names": list(curves)})
    if paces:
        svg = series_plot(paces, name=f"{name}s", x="second", y="median, ms", from_zero=True)
        drawn.append({"title": "Pace without a pause", "svg": svg, "names": list(paces)})
    return drawn


def _energy(energy: Mapping[str, Energy] | None) -> list[dict[str, str]]:
    return [
        {
            "sensor": sensor,
            "whole": f"{1e3 * told.joules_per_call:.2f} mJ",
            "above": f"{1e3 * told.above_idle:.2f} mJ",
            "idle": f"{told.idle_watts:.2f} W",
        }
        for sensor, told in (energy or {}).items()
    ]


def _cold(cold: ColdStart | None) -> dict[str, Any] | None:
    if cold is None:
        return None
    parts = {
        "interpreter": cold.interpreter_s,
        "import": cold.import_s,
        "load": cold.load_s,
        "first": cold.first_s,
    }
    known = {label: seconds for label, seconds in parts.items() if seconds is not None}
    total = sum(known.values()) or 1
    return {
        "total": f"{total:.2f} s",
        "parts": [
            {"label": label, "text": _seconds(seconds), "width": 100 * seconds / total}
            for label, seconds in known.items()
        ],
        "memory": byte_text(cold.peak_rss_bytes) if cold.peak_rss_bytes else None,
        "artifact": cold.artifact,
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1e3 * seconds:.0f} ms"


def machine_text(machine: Machine) -> str:
    """One line that says what the figures were taken on."""
    facts = [
        machine.name,
        machine.cpu,
        f"{machine.cores} cores",
        f"{machine.frequency_mhz:g} MHz" if machine.frequency_mhz else None,
        byte_text(machine.memory_bytes) if machine.memory_bytes else None,
        machine.system,
        f"governor {machine.governor}" if machine.governor else None,
    ]
    return ", ".join(fact for fact in facts if fact)
