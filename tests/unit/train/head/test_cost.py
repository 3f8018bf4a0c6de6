"""Plans: arithmetic on a known machine, and the benchmark's own measurements within 15 %."""

import json
from pathlib import Path
from typing import Any

import pytest

from embedge.errors import EmbedgeError
from embedge.train.head.cost import HeadCost, Layout, head_cost
from embedge.train.head.machine import PUBLISHED, HeadMachine

RESULTS = Path(__file__).parents[4] / "benchmarks" / "results" / "head-cpu.json"
ROUND = HeadMachine("round", "for the test", 2**34, 1e12, 1e10, 1e11, 1e10, 1e9)


def plan(layout: Layout = "frozen", machine: HeadMachine = ROUND, **changes: Any) -> HeadCost:
    given: dict[str, Any] = {"classes": 1_000_000, "batch": 100, "ranks": 1, "dim": 500}
    given |= {"dtype": "fp32", "block_rows": 1000} | changes
    return head_cost(machine, layout, **given)


def test_a_frozen_head_is_its_rows_and_two_products() -> None:
    found = plan()
    assert found.weights == 1_000_000 * 500 * 4
    assert found.gradients == found.momentum == 0
    assert found.seconds == pytest.approx(4 * 100 * 1e6 * 500 / 1e12 + 100 * 1e6 / 1e10)
    assert found.working < 0.02 * 100 * 1_000_000 * 4


def test_half_precision_halves_the_rows_and_pays_for_widening() -> None:
    found = plan(dtype="fp16")
    assert found.weights == plan().weights // 2
    assert found.seconds == pytest.approx(plan().seconds + 1e6 * 500 / 1e11)


def test_a_trainable_head_triples_the_memory_and_doubles_the_passes() -> None:
    found = plan("trainable", dtype="fp16")  # only frozen heads may be stored in half precision
    assert found.weights == found.gradients == found.momentum == plan().weights
    assert found.seconds == pytest.approx(2 * plan().seconds + 1e6 * 500 / 1e10)


def test_naive_logits_dwarf_the_stream() -> None:
    assert plan("naive").working > 50 * plan().working
    assert plan("naive").seconds is None


def test_every_rank_has_the_whole_head_and_what_is_learnt_goes_around() -> None:
    assert plan(ranks=4) == plan()
    alone, among = plan("trainable"), plan("trainable", ranks=4)
    assert among.total == alone.total
    assert among.seconds == pytest.approx(alone.seconds + 2 * alone.gradients * 3 / 4 / 1e9)


def test_two_million_classes() -> None:
    """2.06 M classes: 12.7 GB to train a head in float32, 2.1 GB frozen in half precision."""
    trainable = plan("trainable", classes=2_059_906, dim=512)
    assert trainable.weights * 3 == pytest.approx(12.66e9, rel=0.01)
    assert plan(classes=2_059_906, dim=512, dtype="fp16").weights == pytest.approx(2.11e9, rel=0.01)


def test_a_published_machine_says_that_nothing_was_measured() -> None:
    assert all("not measured" in machine.source for machine in PUBLISHED.values())


def test_a_machine_survives_its_file() -> None:
    assert HeadMachine.from_json(json.loads(json.dumps(ROUND.to_json())), "here") == ROUND


def test_a_file_of_something_else_is_named() -> None:
    with pytest.raises(EmbedgeError, match="E-PLAN-MACHINE"):
        HeadMachine.from_json({"name": "x"}, "x.json")


def measured_rows() -> list[dict]:
    rows = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    return [row for row in rows if "plan" in row]


@pytest.mark.parametrize("row", measured_rows(), ids=lambda row: f"{row['row']}-{row['classes']}")
def test_measured_rows_lie_within_15_percent_of_the_plan(row: dict) -> None:
    layout: Layout = "trainable" if "trainable" in row["row"] else "frozen"
    found = plan(
        layout,
        HeadMachine.from_json(row["machine"], RESULTS),
        classes=row["classes"],
        batch=row["batch"],
        dim=row["dim"],
        dtype="bf16" if "half" in row["row"] else "fp32",
        block_rows=2048,
    )
    memory = found.weights + found.gradients + found.working
    assert memory == pytest.approx(row["head_bytes"] + row["peak_extra_bytes"], rel=0.15)
    if row["processor_share"] < 0.9:
        pytest.skip("timed on a busy machine: run benchmarks/head.py again on a quiet one")
    assert found.seconds == pytest.approx(row["seconds"]["median"], rel=0.15)
