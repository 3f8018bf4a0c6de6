"""What a bench found, as lines for a terminal."""

from typing import Any

__all__ = ["bench_text"]


def bench_text(section: dict[str, Any]) -> str:
    lines = [f"{section['machine']['cpu']}, {section['machine']['cores']} cores", ""]
    for row in section.get("artifacts", []):
        flag = f"  ({row['flagged']} rounds disturbed)" if row["flagged"] else ""
        lines.append(
            f"{row['artifact']:<10} {row['threads']} threads  p50 {_ms(row['p50'])}"
            f"  p90 {_ms(row['p90'])}  p99 {_ms(row['p99'])}  max {_ms(row['max'])}{flag}"
        )
    for row in section["scenarios"]:
        detail = _detail(row)
        lines.append(
            f"{row['artifact']:<10} {row['threads']} threads  {row['scenario']}{detail}:"
            f" {row['images_per_s']:.1f} images/s, p50 {_ms(row['latency']['p50'])},"
            f" p99 {_ms(row['latency']['p99'])}"
        )
    cold = section["cold_start"]
    lines.append(f"cold start {cold['total_s']:.2f} s, peak {cold['peak_rss_bytes'] / 1e6:.0f} MB")
    return "\n".join(lines)


def _detail(row: dict[str, Any]) -> str:
    for key, word in (("batch", "batch"), ("streams", "streams"), ("load", "load")):
        if key in row:
            return f", {word} {row[key]}"
    return f", slowdown {row['slowdown']:.2f}" if "slowdown" in row else ""


def _ms(value: float | None) -> str:
    return "     –" if value is None else f"{value:6.2f}"
