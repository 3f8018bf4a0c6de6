"""docs/int8.md says what the files of results say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from benchmark import BENCHMARKS

PAGE = (BENCHMARKS.parent / "docs" / "int8.md").read_text()
NAMES = {
    "int8-cpu": "`int8-cpu`",
    "searched-cpu": "`int8-cpu`, plan searched",
    "int8-trt": "`int8-trt`, simulated",
    "ONNX Runtime quantize_static": "ONNX Runtime `quantize_static`",
}


def stored(name: str) -> Any:
    return json.loads((BENCHMARKS / "results" / f"{name}.json").read_text())


def _signed(points: float) -> str:
    return f"{points:.2f}".replace("-", "\N{MINUS SIGN}")


def _losses() -> dict[tuple[str, str], str]:
    found = stored("int8_real")
    rows = {}
    for run, told in found["runs"].items():
        for name, row in told["rows"].items():
            if "tar_lost" not in row:
                continue
            points = " / ".join(_signed(row["tar_lost"][fmr]) for fmr in ("1e-4", "1e-5", "1e-6"))
            cosine = row["cosine"]
            lowest = cosine.get("min", cosine.get("minimum"))
            folds, near = _signed(row["ten_folds_lost"]), f"{cosine['mean']:.4f}, {lowest:.3f}"
            rows[run.partition(",")[0], name] = f"| {points} | {folds} | {near} |"
    return rows


def test_what_it_costs_is_what_was_measured() -> None:
    rows = _losses()
    assert len(rows) == 7
    part = PAGE.partition("## What it costs")[2].partition("\n## ")[0].replace("**", "")
    lines = [
        line for line in part.splitlines() if "`quantize_static` |" in line or "`int8-" in line
    ]
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == len(rows)
    for (network, name), row in rows.items():
        begun = part.index(f"| `{network}` |")
        ends = part.find("\n| `", begun + 1)
        assert f"{NAMES[name]} {row}" in part[begun : ends if ends > 0 else None]


def test_bold_are_those_that_miss_their_bound() -> None:
    found = stored("int8_real")
    missed = sum(
        row["tar_lost"][fmr] > found["bounds_points"][fmr]
        for run in found["runs"].values()
        for name, row in run["rows"].items()
        if "tar_lost" in row and "quantize_static" not in name
        for fmr in ("1e-4", "1e-5", "1e-6")
    )
    part = PAGE.partition("## What it costs")[2].partition("\n## ")[0]
    bold = re.findall(r"\*\*[\d.]+\*\*", "\n".join(re.findall(r"^\|.*$", part, re.MULTILINE)))
    assert len(bold) == missed


@pytest.mark.parametrize("network", ["w600k_mbf", "insightface_y1"])
def test_how_much_faster_it_is(network: str) -> None:
    rows = stored("targets")["networks"][network]["rows"]
    times = {row["target"]: row["p50_ms"] for row in rows if "p50_ms" in row}
    known, other = times["onnxruntime fp32"], times["openvino int8-openvino"]
    told = [known / times["onnxruntime int8-cpu"], known / other, times["openvino fp32"] / other]
    figures = " | ".join(f"{one:.2f}" for one in told)
    assert f"| `{network}` | {figures} |" in PAGE.replace("**", "")


def test_what_was_aimed_at_and_missed_is_told() -> None:
    rows = {
        (row["engine"], row["precision"]): row
        for row in stored("activations")["rows"]
        if row["network"] == "prelu"
    }
    own = [rows["onnxruntime", "int8-cpu"], rows["openvino", "int8-openvino"]]
    beside = " and ".join(
        f"{row['to_onnxruntime_fp32']:.2f} on {engine}"
        for row, engine in zip(own, ("ONNX Runtime", "OpenVINO"))
    )
    assert beside in PAGE
    assert " and ".join(f"{row['to_exported']:.2f}" for row in own) in PAGE
    networks = stored("targets")["networks"]["w600k_mbf"]["rows"]
    times = {row["target"]: row["p50_ms"] for row in networks if "p50_ms" in row}
    peer = times["onnxruntime fp32"] / times["peer: openvino int8 by NNCF"]
    assert f"gains {peer:.2f}" in PAGE


def test_the_stored_file_is_named() -> None:
    for name in ("int8_real", "targets", "activations"):
        assert f"benchmarks/results/{name}.json" in PAGE
        assert Path(BENCHMARKS / "results" / f"{name}.json").is_file()
