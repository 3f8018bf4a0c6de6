"""The ways to compute a margin cross-entropy that benchmarks/head.py compares.

A row takes a problem and returns a step: one forward and backward that yields the gradient of the
mean loss towards the embeddings. Everything that is not part of a step happens before.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from embedge.train.head import margin_ce
from embedge.train.head.margins import Margin
from embedge.train.head.passes import read_head

Step = Callable[[], Tensor]
_ANY_BUDGET = 1 << 20  # megabytes


@dataclass(frozen=True)
class Problem:
    embeddings: Tensor
    weight: Tensor
    labels: Tensor
    margin: Margin


@dataclass(frozen=True)
class Row:
    """`products`: how many B×C×d matrix products the method needs. `exact`: same loss as naive.

    At its peak it holds about `heads` copies of the head and `matrices` of all logits.
    """

    step: Callable[[Problem], Step]
    says: str
    half: bool = False
    products: int = 2
    exact: bool = True
    margin: bool = True
    package: str | None = None
    gpu_only: bool = False
    heads: int = 1
    matrices: float = 0.0

    def obstacle(self, device: str, classes: int, batch: int, dim: int) -> str | None:
        if self.package and importlib.util.find_spec(self.package) is None:
            return f"the package {self.package} is not installed"
        if self.gpu_only and device != "cuda":
            return "not yet run on a GPU: none at hand, and it runs on nothing else"
        needs = 4 * classes * (self.heads * dim + self.matrices * batch)
        if needs > 0.85 * _free_memory(device):
            return f"needs about {needs / 2**30:.0f} GiB, more than is free"
        return None


def _free_memory(device: str) -> int:
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    lines = Path("/proc/meminfo").read_text().splitlines()  # file caches give way
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def _autograd(problem: Problem, loss_of: Callable[[Tensor], Tensor]) -> Step:
    def step() -> Tensor:
        leaf = problem.embeddings.clone().requires_grad_()
        loss_of(leaf).backward()
        assert leaf.grad is not None
        return leaf.grad

    return step


def _full_logits(unit: Tensor, rows: Tensor, labels: Tensor, margin: Margin) -> Tensor:
    """As in public trainers: all cosines, the margin on the target, cross-entropy."""
    cosine = (unit.to(rows.dtype) @ rows.T).float()
    place = torch.arange(len(labels), device=labels.device)
    target = cosine[place, labels].clamp(-1 + 1e-7, 1 - 1e-7)
    psi = torch.cos(target.arccos() + margin.m2)
    logits = cosine.index_put((place, labels), psi)
    return F.cross_entropy(margin.scale * logits, labels)


def naive(problem: Problem) -> Step:
    return _autograd(
        problem,
        lambda z: _full_logits(F.normalize(z), problem.weight, problem.labels, problem.margin),
    )


def naive_trainable(problem: Problem) -> Step:
    def loss_of(z: Tensor) -> Tensor:
        weight = problem.weight.detach().requires_grad_()
        return _full_logits(F.normalize(z), F.normalize(weight), problem.labels, problem.margin)

    return _autograd(problem, loss_of)


def partial_fc(problem: Problem) -> Step:
    """PartialFC at a rate of 0.1: positives always, others drawn, sampled rows trainable."""
    classes = len(problem.weight)
    wanted = classes // 10

    def loss_of(z: Tensor) -> Tensor:
        chance = torch.rand(classes, device=z.device)
        chance[problem.labels] = 2.0
        drawn = chance.topk(wanted).indices.sort().values
        rows = problem.weight[drawn].requires_grad_()
        labels = torch.searchsorted(drawn, problem.labels)
        return _full_logits(F.normalize(z), F.normalize(rows), labels, problem.margin)

    return _autograd(problem, loss_of)


def cut_cross_entropy(problem: Problem) -> Step:
    from cut_cross_entropy import linear_cross_entropy

    impl = "cce_exact" if problem.weight.is_cuda else "torch_compile"

    def loss_of(z: Tensor) -> Tensor:
        scaled = (problem.margin.scale * F.normalize(z)).to(problem.weight.dtype)
        return linear_cross_entropy(scaled, problem.weight, problem.labels, impl=impl)

    return _autograd(problem, loss_of)


def liger(problem: Problem) -> Step:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    loss = LigerFusedLinearCrossEntropyLoss()

    def loss_of(z: Tensor) -> Tensor:
        scaled = (problem.margin.scale * F.normalize(z)).to(problem.weight.dtype)
        return loss(problem.weight, scaled, problem.labels)

    return _autograd(problem, loss_of)


def ours_torch(problem: Problem) -> Step:
    return _ours(problem, "torch")


def ours_triton(problem: Problem) -> Step:
    return _ours(problem, "triton")


def ours_kept(problem: Problem) -> Step:
    def loss_of(z: Tensor) -> Tensor:
        read = read_head(z, problem.weight, _ANY_BUDGET)
        return read.ce(problem.labels, problem.margin).mean()

    return _autograd(problem, loss_of)


def ours_trainable(problem: Problem) -> Step:
    return _ours(problem, "auto", trainable=True)


def _ours(problem: Problem, kernel: str, *, trainable: bool = False) -> Step:
    def loss_of(z: Tensor) -> Tensor:
        weight = problem.weight.detach().requires_grad_(trainable)
        return margin_ce(z, weight, problem.labels, problem.margin, kernel=kernel).mean()

    return _autograd(problem, loss_of)


ROWS = {
    "naive": Row(naive, "full logits, frozen head, autograd", matrices=4.2),
    "naive-half": Row(naive, "the same, head in bf16", half=True, gpu_only=True, matrices=4.2),
    "naive-trainable": Row(
        naive_trainable,
        "full logits, trainable head (PartialFC r=1)",
        products=3,
        heads=4,
        matrices=4.2,
    ),
    "partial-fc-0.1": Row(
        partial_fc,
        "PartialFC r=0.1, trainable: another loss, a tenth of it",
        products=3,
        exact=False,
    ),
    "cut-cross-entropy": Row(
        cut_cross_entropy,
        "cut-cross-entropy, no margin (its torch.compile variant on a CPU)",
        margin=False,
        package="cut_cross_entropy",
        matrices=3.0,
    ),
    "liger": Row(
        liger, "liger-kernel, no margin", margin=False, package="liger_kernel", gpu_only=True
    ),
    "ours-kept": Row(ours_kept, "logits kept, frozen head: as trainings read it", matrices=5.0),
    "ours-torch": Row(ours_torch, "streamed, frozen head"),
    "ours-torch-half": Row(ours_torch, "streamed, frozen head in bf16", half=True),
    "ours-torch-trainable": Row(
        ours_trainable, "streamed, trainable head, second pass", products=4, heads=2
    ),
    "ours-triton": Row(ours_triton, "Triton kernel, frozen head in fp32", gpu_only=True),
    "ours-triton-half": Row(
        ours_triton, "Triton kernel, frozen head in bf16", half=True, gpu_only=True
    ),
}
