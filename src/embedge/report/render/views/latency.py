"""Latency: bars per artifact, the waterfall of one verification, the cold start."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from embedge.report.render.plots import series_plot
from embedge.report.render.words import byte_text, ms_text

__all__ = ["latency_views", "machine_text"]

_LOADED = ("multi-stream", "server", "sustained")
_COLD = (
    ("interpreter_s", "interpreter"),
    ("import_s", "import"),
    ("load_s", "load"),
    ("first_s", "first"),
)


def latency_views(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The machine of the run, then every device whose report was merged."""
    machines = [one for one in (report.get("latency"), *report.get("devices", [])) if one]
    return [_latency(one, number) for number, one in enumerate(machines)]


def _latency(latency: Mapping[str, Any], number: int) -> dict[str, Any]:
    rows = latency.get("artifacts", [])
    scenarios = latency.get("scenarios", [])
    return {
        "first": number == 0,
        "device": latency.get("device"),
        "bars": _bars(rows),
        # rounds are shared by all rows: the worst row tells of all of them
        "flagged": max((row.get("flagged", 0) for row in rows), default=0),
        "rejected": max((row.get("rejected", 0) for row in rows), default=0),
        "loads": [_load(row) for row in scenarios if row["scenario"] in _LOADED],
        "plots": _plots(scenarios, f"load{number}"),
        "energy": _energy(latency.get("energy")),
        "verify": _waterfall(latency.get("verify", [])),
        "verify_artifact": latency.get("verify_artifact"),
        "cold": _cold(latency.get("cold_start")),
        "machine": machine_text(latency.get("machine", {})),
        "memory": byte_text(latency["peak_rss_bytes"]) if latency.get("peak_rss_bytes") else None,
        "pressure": latency.get("pressure") or {},
    }


def _bars(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One group per artifact; every bar on one scale, so they compare at a glance."""
    longest = max((_reach(row) for row in rows), default=0) or 1
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["artifact"], []).append(_bar(row, longest))
    return [{"artifact": name, "rows": bars, "note": _note(bars)} for name, bars in groups.items()]


def _note(bars: Sequence[Mapping[str, Any]]) -> str:
    """What ran, how often, and why a quantile is absent: once for all rows."""
    runs = ", ".join(
        f"{bar['n']} on {bar['threads']} thread{'s' if bar['threads'] != 1 else ''}" for bar in bars
    )
    needs = {name: count for bar in bars for name, count in bar["needs"].items()}
    missing = "".join(f"; {name} takes {count:,} runs" for name, count in needs.items())
    flagged = max(bar["flagged"] for bar in bars)
    disturbed = f"; {flagged} rounds disturbed" if flagged else ""
    return f"{bars[0]['provider']}; runs: {runs}{missing}{disturbed}"


def _reach(row: Mapping[str, Any]) -> float:
    """The longest thing a bar shows; the single worst run would squeeze all the rest."""
    known = [row.get(name) for name in ("p50", "p90", "p99")]
    return max((value for value in known if value is not None), default=row["max"])


def _bar(row: Mapping[str, Any], longest: float) -> dict[str, Any]:
    return {
        "threads": row["threads"],
        "provider": row["provider"].removesuffix("ExecutionProvider"),
        "n": f"{row['n']:,}",
        "flagged": row.get("flagged", 0),
        "needs": row.get("needs", {}),
        **{name: ms_text(row.get(name)) for name in ("p50", "p90", "p99", "max")},
        **{
            f"{name}_at": None if row.get(name) is None else 100 * row[name] / longest
            for name in ("p50", "p90", "p99")
        },
    }


def _waterfall(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each stage begins where the one before ended; the whole is the last line."""
    steps = [row for row in rows if row["stage"] != "end to end"]
    whole = [row for row in rows if row["stage"] == "end to end"]
    total = sum(_typical(row) for row in steps) or 1
    begin, drawn = 0.0, []
    for row in steps:
        width = 100 * _typical(row) / total
        drawn.append({**_stage(row), "left": begin, "width": width, "whole": False})
        begin += width
    return [*drawn, *({**_stage(row), "left": 0, "width": 100, "whole": True} for row in whole)]


def _typical(row: Mapping[str, Any]) -> float:
    return float(row["p50"] if row.get("p50") is not None else row["mean"])


def _stage(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stage": row["stage"],
        "n": f"{row['n']:,}",
        **{name: ms_text(row.get(name)) for name in ("p50", "p90", "p99", "max")},
    }


def _load(row: Mapping[str, Any]) -> dict[str, Any]:
    """One load pattern in words and figures."""
    said = {
        "multi-stream": lambda: f"{row['streams']} callers at once",
        "server": lambda: (
            f"arrivals at {row['offered_per_s']:.1f} a second"
            + (": more than it can take" if row.get("overloaded") else "")
        ),
        "sustained": lambda: f"without pause, slowdown {row['slowdown']:.2f}×",
    }[row["scenario"]]()
    return {
        "scenario": row["scenario"],
        "said": said,
        "artifact": row["artifact"],
        "threads": row["threads"],
        "rate": f"{row['images_per_s']:.1f}",
        **{name: ms_text((row.get("latency") or {}).get(name)) for name in ("p50", "p90", "p99")},
    }


def _plots(scenarios: Sequence[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """The batch curve, and how the pace held under sustained load."""
    batches: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    paces = {}
    for row in scenarios:
        label = f"{row['artifact']}, {row['threads']} thread{'s' if row['threads'] != 1 else ''}"
        if row["scenario"] == "offline":
            batches[label].append((row["batch"], row["images_per_s"]))
        elif row["scenario"] == "sustained" and row.get("windows"):
            windows = row["windows"]
            paces[label] = ([one["at_s"] for one in windows], [one["p50"] for one in windows])
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


def _energy(energy: Mapping[str, Any] | None) -> list[dict[str, str]]:
    return [
        {
            "sensor": sensor,
            "whole": f"{1e3 * told['joules_per_call']:.2f} mJ",
            "above": f"{1e3 * told['above_idle']:.2f} mJ",
            "idle": f"{told['idle_watts']:.2f} W",
        }
        for sensor, told in (energy or {}).items()
    ]


def _cold(cold: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if cold is None:
        return None
    parts = [(label, float(cold[key])) for key, label in _COLD if cold.get(key) is not None]
    total = sum(seconds for _, seconds in parts) or 1
    return {
        "total": f"{total:.2f} s",
        "parts": [
            {"label": label, "text": _seconds(seconds), "width": 100 * seconds / total}
            for label, seconds in parts
        ],
        "memory": byte_text(cold["peak_rss_bytes"]) if cold.get("peak_rss_bytes") else None,
        "threads": cold.get("threads"),
        "artifact": cold.get("artifact"),
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1e3 * seconds:.0f} ms"


def machine_text(machine: Mapping[str, Any]) -> str:
    """One line that says what the figures were taken on."""
    facts = [
        machine.get("name"),
        machine.get("cpu"),
        f"{machine['cores']} cores" if machine.get("cores") else None,
        f"{machine['frequency_mhz']:g} MHz" if machine.get("frequency_mhz") else None,
        byte_text(machine["memory_bytes"]) if machine.get("memory_bytes") else None,
        machine.get("system"),
        f"governor {machine['governor']}" if machine.get("governor") else None,
    ]
    return ", ".join(str(fact) for fact in facts if fact)
