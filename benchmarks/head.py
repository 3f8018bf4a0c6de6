"""What a head costs: memory, time and error of every way to compute its loss.

    python benchmarks/head.py                          # all sizes; writes results/head-cpu.json
    python benchmarks/head.py --classes 93431          # MS1MV3's alone
    python benchmarks/head.py --classes 93431 --append # and keeps the file's others

Each row runs in processes of its own, one for memory and one for time. Full logits are timed in
turn with it (a trainable row beside trainable ones), and the ratio is that of the medians. Memory
is what one step needs beyond its inputs. The error is that of some samples' gradients against
float64 on the same stored head. `embedge plan`'s prediction stands beside what was measured.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from head_measure import EXACT_MEMORY, memory_of, plan_of, time_of
from head_rows import ROWS
from provenance import RESULTS, provenance

from embedge.errors import EmbedgeError
from embedge.files import write_json

CLASSES = (93_431, 360_232, 617_970, 2_059_906)
QUIET = 0.9  # of the cores' time, under which a row's times are marked


def main() -> int:
    options = _options()
    if options.row:
        print(json.dumps(memory_of(options) if options.memory else time_of(options)))
        return 0
    output = options.output or RESULTS / f"head-{'gpu' if options.device == 'cuda' else 'cpu'}.json"
    if options.table:
        print(_table(json.loads(output.read_text())["rows"]))
        return 0
    kept = json.loads(output.read_text())["rows"] if options.append and output.exists() else []
    fresh, facts = list[dict[str, Any]](), _provenance(options)
    for classes in options.classes:
        for name in options.rows:
            fresh.append(_in_own_process(options, name, classes))
            print(_line(fresh[-1]), flush=True)
            # after every row, so that a run cut short has measured what it has measured
            write_json(output, {"claim": "head", "provenance": facts, "rows": _merged(kept, fresh)})
    print(f"wrote {output}")
    return 0


def _merged(kept: list[dict[str, Any]], fresh: list[dict[str, Any]]) -> list[dict[str, Any]]:
    new = {(row["row"], row["classes"]) for row in fresh}
    rows = [row for row in kept if (row["row"], row["classes"]) not in new] + fresh
    rows.sort(key=lambda row: (row["classes"], list(ROWS).index(row["row"])))
    _add_ratios(rows)
    return rows


def _options() -> argparse.Namespace:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="+", default=CLASSES)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--batch", type=int, default=1024 if device == "cuda" else 128)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--device", choices=("cpu", "cuda"), default=device)
    parser.add_argument("--seconds", type=float, default=8.0, help="time spent on each row")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--append", action="store_true", help="keep other rows of the file")
    parser.add_argument("--table", action="store_true", help="print the file as Markdown")
    parser.add_argument("--row", choices=ROWS, help=argparse.SUPPRESS)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_own_process(options: argparse.Namespace, name: str, classes: int) -> dict[str, Any]:
    head = {"row": name, "classes": classes, "batch": options.batch, "dim": options.dim}
    head |= {"says": ROWS[name].says, "device": options.device}
    if obstacle := ROWS[name].obstacle(options.device, classes, options.batch, options.dim):
        return head | {"left_out": obstacle}
    command = [sys.executable, __file__, "--row", name, "--classes", str(classes)]
    for option in ("batch", "dim", "device", "seconds"):
        command += [f"--{option}", str(getattr(options, option))]
    for extra, environment in (["--memory"], EXACT_MEMORY), ([], {}):
        done = subprocess.run(
            command + extra, capture_output=True, text=True, env=os.environ | environment
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            return head | {"left_out": f"failed: {reason[:200]}"}
        head |= json.loads(done.stdout.splitlines()[-1])
    plan = plan_of(head)
    return head | ({"plan": plan} if plan else {})


def _add_ratios(rows: list[dict[str, Any]]) -> None:
    """Beside each row: its memory against full logits at the same number of classes."""
    naive = {row["classes"]: row for row in rows if row["row"] == "naive" and "seconds" in row}
    for row in rows:
        base = naive.get(row["classes"])
        if base is None or "seconds" not in row:
            continue
        logits = row["batch"] * row["classes"] * 4
        row["memory_of_naive"] = row["peak_extra_bytes"] / base["peak_extra_bytes"]
        row["memory_of_one_logits_matrix"] = row["peak_extra_bytes"] / logits


def _line(row: dict[str, Any]) -> str:
    start = f"{row['classes']:>9,} {row['row']:<21}"
    if "left_out" in row:
        return f"{start} — {row['left_out']}"
    duration, memory = row["seconds"]["median"] * 1e3, row["peak_extra_bytes"] / 2**20
    rate = (row["flops_per_second"] or 0) / row["ceiling_flops_per_second"]
    text = f"{start} {duration:9.1f} ms  +{memory:8.1f} MiB  {rate:4.0%} of ceiling"
    if row["faster_than_naive"]:
        text += f"  {row['faster_than_naive']:.2f}x naive"
    if row["gradient_error"]:
        text += "  error {all:.1e}, worst {worst_sample:.1e}".format(**row["gradient_error"])
    if row["device"] == "cpu" and row["processor_share"] < QUIET:
        text += "  (busy machine)"
    return text + (f"  plan {row['plan']['seconds_off']:+.0%}" if "plan" in row else "")


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| classes | row | time | × naive | extra memory | of one logits matrix | error, worst |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        start = f"| {row['classes']:,} | {row['row']} |"
        if "left_out" in row:
            lines.append(f"{start} {row['left_out']} |||||")
            continue
        ratio, error = row["faster_than_naive"], row["gradient_error"]
        cells = [
            f"{row['seconds']['median'] * 1e3:.0f} ms",
            f"{ratio:.2f}" if ratio else "",
            f"{row['peak_extra_bytes'] / 2**20:.1f} MiB",
            f"{row['memory_of_one_logits_matrix']:.1%}",
            f"{error['all']:.0e}, {error['worst_sample']:.0e}" if error else "another loss",
        ]
        lines.append(f"{start} {' | '.join(cells)} |")
    return "\n".join(lines)


def _provenance(options: argparse.Namespace) -> dict[str, Any]:
    found = provenance("torch") | {"threads": torch.get_num_threads()}
    if options.device != "cuda":
        return found | {"gpu": "not yet run on a GPU"}
    query = "name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit"
    asked = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    answer = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    return found | {"gpu": dict(zip(query.split(","), answer.split(", "), strict=False))}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EmbedgeError as error:
        sys.exit(f"head: {error}")
