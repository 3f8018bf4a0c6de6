"""The head: its kernel against float64, and every way to read it at four numbers of classes."""

from typing import Any

import torch
from head_rows import ROWS, Problem
from torch.nn.functional import normalize

from embedge.train.head import margin_ce
from embedge.train.head.margins import Margin
from gpu_parts.machine import timed
from gpu_parts.sizes import Sizes

_WAYS = (
    *("naive-half", "partial-fc-0.1", "cut-cross-entropy"),
    *("ours-kept", "ours-torch-half", "ours-triton-half"),
)


def triton(sizes: Sizes) -> dict[str, Any]:
    """Gradient error of each precision that gets it unasked; without a GPU, of the torch kernel."""
    on_gpu = sizes.device == "cuda"
    found: dict[str, Any] = {"kernel": "triton" if on_gpu else "torch"}
    for kind in (torch.bfloat16, torch.float16):
        problem = problem_of(sizes, sizes.classes[1], kind)
        exact = _gradient(problem, torch.float64, "torch")
        ours = _gradient(problem, torch.float32, found["kernel"])
        error = float((ours - exact).norm() / exact.norm())
        seconds = timed(lambda p=problem: _gradient(p, torch.float32, found["kernel"]), sizes)
        found[str(kind).removeprefix("torch.")] = {"error": error, "seconds": seconds}
        if error > 2e-2:
            raise RuntimeError(f"{kind}: a gradient error of {error:.1e}")
    return found


def heads(sizes: Sizes) -> dict[str, Any]:
    """Seconds of forward and backward, extra memory, and FLOP/s of the products it needs."""
    return {str(classes): _ways(sizes, classes) for classes in sizes.classes}


def _ways(sizes: Sizes, classes: int) -> dict[str, Any]:
    kind = torch.bfloat16 if sizes.device == "cuda" else torch.float32
    problem, found = problem_of(sizes, classes, kind), dict[str, Any]()
    for name in _WAYS:
        row = ROWS[name]
        obstacle = row.obstacle(sizes.device, classes, sizes.batch, sizes.dim)
        found[name] = obstacle or _measured(row.step(problem), row.products, problem, sizes)
    return found


def _measured(step: Any, products: int, problem: Problem, sizes: Sizes) -> dict[str, Any] | str:
    """What does not fit says so, and the next one is measured all the same."""
    held = torch.cuda.memory_allocated() if sizes.device == "cuda" else 0
    try:
        if sizes.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds = timed(step, sizes)
    except Exception as error:  # out of memory, a package that does not build, …
        return f"{type(error).__name__}: {str(error)[:200]}"
    flops = 2 * products * len(problem.embeddings) * problem.weight.numel()
    peak = torch.cuda.max_memory_allocated() - held if sizes.device == "cuda" else None
    return {"seconds": seconds, "flops": flops / seconds, "extra_bytes": peak}


def problem_of(sizes: Sizes, classes: int, kind: torch.dtype) -> Problem:
    draw = torch.Generator().manual_seed(classes)
    weight = normalize(torch.randn(classes, sizes.dim, generator=draw)).to(sizes.device).to(kind)
    labels = torch.randint(classes, (sizes.batch,), generator=draw).to(sizes.device)
    noise = torch.randn(sizes.batch, sizes.dim, generator=draw).to(sizes.device)
    return Problem(weight[labels].float() + noise / sizes.dim**0.5, weight, labels, Margin(m2=0.5))


def _gradient(problem: Problem, kind: torch.dtype, kernel: str) -> torch.Tensor:
    leaf = problem.embeddings.to(kind).requires_grad_()
    weight = problem.weight.double() if kind == torch.float64 else problem.weight
    loss = margin_ce(leaf, weight, problem.labels, problem.margin, kernel=kernel)  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad(loss.mean(), leaf)
    return gradient.double()
