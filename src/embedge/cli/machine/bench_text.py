"""What a bench found, as lines for a terminal."""

from embedge.bench.results import Latency, Scenario
from embedge.printed import printable

__all__ = ["bench_text"]


def bench_text(found: Latency) -> str:
    lines = [f"{printable(found.machine.cpu)}, {found.machine.cores} cores", ""]
    for row in found.artifacts:
        flag = f"  ({row.flagged} rounds disturbed)" if row.flagged else ""
        lines.append(
            f"{row.artifact:<10} {row.threads} threads  p50 {_ms(row.p50)}"
            f"  p90 {_ms(row.p90)}  p99 {_ms(row.p99)}  max {_ms(row.max)}{flag}"
        )
    for load in found.scenarios:
        p50, p99 = (load.latency.p50, load.latency.p99) if load.latency else (None, None)
        lines.append(
            f"{load.artifact:<10} {load.threads} threads  {load.scenario}{_detail(load)}:"
            f" {load.images_per_s:.1f} images/s, p50 {_ms(p50)}, p99 {_ms(p99)}"
        )
    if (cold := found.cold_start) and cold.total_s is not None:
        memory = f", peak {cold.peak_rss_bytes / 1e6:.0f} MB" if cold.peak_rss_bytes else ""
        lines.append(f"cold start {cold.total_s:.2f} s{memory}")
    return "\n".join(lines)


def _detail(row: Scenario) -> str:
    match row.scenario:
        case "offline":
            return f", batch {row.batch}"
        case "multi-stream":
            return f", streams {row.streams}"
        case "server":
            return f", load {row.load}"
        case "sustained":
            return f", slowdown {row.slowdown:.2f}" if row.slowdown is not None else ""
    return ""


def _ms(value: float | None) -> str:
    return "     –" if value is None else f"{value:6.2f}"
