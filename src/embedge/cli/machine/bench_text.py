"""What a bench found, as lines for a terminal."""

from embedge.bench.results import Latency, Scenario
from embedge.printed import printable

__all__ = ["bench_text"]


def bench_text(found: Latency) -> str:
    lines = [f"{printable(found.machine.cpu)}, {found.machine.cores} cores", ""]
    for row in found.artifacts or ():
        flag = f"  ({row.flagged} rounds disturbed)" if row.flagged else ""
        values = row.percentiles.values
        lines.append(
            f"{row.artifact:<10} {row.threads} threads  p50 {_ms(values.get('p50'))}"
            f"  p90 {_ms(values.get('p90'))}  p99 {_ms(values.get('p99'))}"
            f"  max {_ms(row.percentiles.max)}{flag}"
        )
    for one in found.scenarios or ():
        values = one.latency.values
        lines.append(
            f"{one.artifact:<10} {one.threads} threads  {one.scenario}{_detail(one)}:"
            f" {one.images_per_s:.1f} images/s, p50 {_ms(values.get('p50'))},"
            f" p99 {_ms(values.get('p99'))}"
        )
    cold = found.cold_start
    lines.append(f"cold start {cold.total_s:.2f} s, peak {cold.peak_rss_bytes / 1e6:.0f} MB")
    return "\n".join(lines)


def _detail(row: Scenario) -> str:
    for word, value in (("batch", row.batch), ("streams", row.streams), ("load", row.load)):
        if value is not None:
            return f", {word} {value}"
    return "" if row.slowdown is None else f", slowdown {row.slowdown:.2f}"


def _ms(value: float | None) -> str:
    return "     –" if value is None else f"{value:6.2f}"
