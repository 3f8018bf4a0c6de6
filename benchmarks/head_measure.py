"""One row of benchmarks/head.py, measured in this process."""

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from head_rows import ROWS, Problem, Row, Step
from torch import Tensor

from embedge.train.head.cost import head_cost
from embedge.train.head.machine import HeadMachine, machine_from_times, probes, times_in_turn
from embedge.train.head.margins import Margin
from embedge.train.head.streamed.blocks import default_rows

CHECKED = 8  # samples compared with float64
PROBES_A_ROUND = 3
LAYOUTS = {
    "ours-torch": ("frozen", "fp32"),
    "ours-torch-half": ("frozen", "bf16"),
    "ours-torch-trainable": ("trainable", "fp32"),
}
# With these in the environment the C library hands every large block back when it is freed, so
# that the resident size is what is really held.
EXACT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def memory_of(options: argparse.Namespace) -> dict[str, Any]:
    """What one step needs beyond its inputs. Run with EXACT_MEMORY in the environment."""
    row, classes = ROWS[options.row], options.classes[0]
    _warm_up(row, options)
    problem = _problem(classes, options, row)
    extra = _peak_extra(row.step(problem), options.device)
    return {"head_bytes": problem.weight.nbytes, "peak_extra_bytes": extra}


def time_of(options: argparse.Namespace) -> dict[str, Any]:
    """Times, errors, and the machine's own rates, taken in turn with the row.

    A shared machine's speed changes by the second.
    """
    row, classes = ROWS[options.row], options.classes[0]
    problem = _problem(classes, options, row)
    step = row.step(problem)
    gradient = step()
    started, busy = time.perf_counter(), time.process_time()
    works = probes(options.batch, options.dim, options.device)
    rival = _full_logits_beside(row, problem, options.device)
    turns = times_in_turn(
        options.device, step, *works * PROBES_A_ROUND, *rival, seconds=options.seconds
    )
    share = (time.process_time() - busy) / (time.perf_counter() - started)
    seconds = statistics.median(turns[0])
    rates = _medians_of_probes(turns[1 : 1 + PROBES_A_ROUND * len(works)], len(works))
    machine = machine_from_times(rates, options.batch, options.dim, options.device)
    flops = 2 * row.products * options.batch * classes * options.dim
    return {
        "seconds": {"min": min(turns[0]), "median": seconds, "n": len(turns[0])},
        "faster_than_naive": statistics.median(turns[-1]) / seconds if rival else None,
        "flops_per_second": flops / seconds if row.exact else None,
        "ceiling_flops_per_second": machine.products,
        "gradient_error": _errors(problem, gradient, row) if row.exact else None,
        "machine": machine.to_json(),
        # well under 1 on a CPU: other processes had the cores, and the times say little
        "processor_share": share / torch.get_num_threads(),
    }


def _medians_of_probes(turns: list[list[float]], kinds: int) -> list[float]:
    """A probe comes round several times, for a large head leaves few rounds."""
    return [statistics.median(chain.from_iterable(turns[place::kinds])) for place in range(kinds)]


def _full_logits_beside(row: Row, problem: Problem, device: str) -> list[Step]:
    """The step to compare with, to be timed in turn with the row, where its logits fit."""
    naive = ROWS["naive-trainable" if row.products > 2 else "naive"]
    classes, dim = problem.weight.shape
    if row.step is naive.step or naive.obstacle(device, classes, len(problem.labels), dim):
        return []
    return [naive.step(replace(problem, weight=problem.weight.float()))]


def plan_of(row: dict[str, Any]) -> dict[str, Any] | None:
    """What `embedge plan` says of a measured row, and how far off that is."""
    if row["row"] not in LAYOUTS:
        return None
    layout, dtype = LAYOUTS[row["row"]]
    plan = head_cost(
        HeadMachine.from_json(row["machine"], "the row"),
        layout,
        classes=row["classes"],
        batch=row["batch"],
        ranks=1,
        dim=row["dim"],
        dtype=dtype,
        block_rows=default_rows(row["batch"], on_gpu=row["device"] == "cuda"),
    )
    memory = plan.weights + plan.gradients + plan.working
    return {
        "seconds": plan.seconds,
        "seconds_off": plan.seconds / row["seconds"]["median"] - 1,
        "bytes": memory,
        "bytes_off": memory / (row["head_bytes"] + row["peak_extra_bytes"]) - 1,
    }


def _problem(classes: int, options: argparse.Namespace, row: Row) -> Problem:
    draw = torch.Generator().manual_seed(classes)
    weight = torch.empty(classes, options.dim, dtype=torch.bfloat16 if row.half else torch.float32)
    for part in weight.split(1 << 16):  # a 4 GB head is not worth a second copy
        part.copy_(F.normalize(torch.randn(len(part), options.dim, generator=draw)))
    labels = torch.randint(classes, (options.batch,), generator=draw)
    noise = torch.randn(options.batch, options.dim, generator=draw) / options.dim**0.5
    # from hopeless to nearly solved, as in a batch in the middle of a training
    share = torch.linspace(0, 2, options.batch)[:, None]
    embeddings = share * weight[labels].float() + noise
    margin = Margin(m2=0.5) if row.margin else Margin()
    place = options.device
    return Problem(embeddings.to(place), weight.to(place), labels.to(place), margin)


def _warm_up(row: Row, options: argparse.Namespace) -> None:
    """Thread pools, compilation and library buffers are not the step's memory."""
    small = argparse.Namespace(batch=options.batch, dim=options.dim, device=options.device)
    step = row.step(_problem(4096, small, row))
    step()
    step()


def _peak_extra(step: Step, device: str) -> int:
    gc.collect()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    # 5: forget the highest resident size so far
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    step()
    return max(_status("VmHWM") - before, 0)


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def _errors(problem: Problem, gradient: Tensor, row: Row) -> dict[str, float]:
    """Relative error of some samples' gradient, of all together and of the worst one.

    The oracle holds their logits in float64.
    """
    some = torch.linspace(0, len(gradient) - 1, CHECKED, device=gradient.device).long()
    z = problem.embeddings[some].double()
    length = z.norm(dim=1, keepdim=True)
    unit, labels = z / length, problem.labels[some]
    parts = problem.weight.split(1 << 15)
    trainable = row.products > 2
    prepare: Callable[[Tensor], Tensor] = F.normalize if trainable else (lambda rows: rows)
    cosine = torch.cat([unit @ prepare(part.double()).T for part in parts], dim=1)
    own = prepare(problem.weight[labels].double())
    psi, slope = problem.margin.on_target((unit * own).sum(dim=1))
    others = (problem.margin.scale * cosine).scatter_(1, labels[:, None], -torch.inf)
    lse = others.logsumexp(dim=1)
    chance = others.sub_(lse[:, None]).exp_()
    mean = sum(
        share @ prepare(part.double())
        for share, part in zip(chance.split(1 << 15, dim=1), parts, strict=True)
    )
    pull = problem.margin.scale * (lse - problem.margin.scale * psi).sigmoid()
    of_unit = pull[:, None] * (mean - slope[:, None] * own) / len(problem.labels)
    exact = (of_unit - unit * (unit * of_unit).sum(dim=1, keepdim=True)) / length
    wrong = gradient[some].double() - exact
    worst = (wrong.norm(dim=1) / exact.norm(dim=1)).max()
    return {"all": (wrong.norm() / exact.norm()).item(), "worst_sample": worst.item()}
