"""Run by test_triton.py in a process of its own, where TRITON_INTERPRET=1 runs kernels on a CPU.

Prints one JSON object: case -> relative errors against float64.
"""

import json
import sys

import torch
import torch.nn.functional as F

from embedge.train.head import head_kl, margin_ce
from embedge.train.head.margins import Margin
from embedge.train.head.streamed.reading import Kernel

WAYS: tuple[tuple[Kernel, torch.dtype], ...] = (
    ("triton", torch.float32),
    ("torch", torch.float64),
)


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((found.double() - wanted.double()).norm() / wanted.double().norm()).item()


def case(
    batch: int, classes: int, dim: int, dtype: torch.dtype, *, raw: bool = False, kl: bool = False
) -> dict[str, float]:
    draw = torch.Generator().manual_seed(batch + classes)
    weight = F.normalize(torch.randn(classes, dim, generator=draw))
    if raw:
        weight = weight * torch.linspace(0.5, 4, classes)[:, None]
    weight = weight.to(dtype)
    labels = torch.randint(classes, (batch,), generator=draw)
    embeddings = weight[labels].float() + torch.randn(batch, dim, generator=draw) / dim**0.5

    def loss_of(embeddings: torch.Tensor, weight: torch.Tensor, kernel: Kernel) -> torch.Tensor:
        weight = weight.requires_grad_(raw)
        if kl:
            teacher = weight[labels].to(embeddings.dtype).detach()
            return head_kl(embeddings, teacher, weight, scale=64.0, temperature=4.0, kernel=kernel)
        return margin_ce(embeddings, weight, labels, Margin(m2=0.5), kernel=kernel)

    results = []
    for kernel, kind in WAYS:
        leaf = embeddings.detach().clone().to(kind).requires_grad_()
        loss = loss_of(leaf, weight if kernel == "triton" else weight.double(), kernel)
        loss.mean().backward()
        results.append((loss.detach(), leaf.grad))
    (loss, gradient), (exact_loss, exact_gradient) = results
    return {"loss": relative(loss, exact_loss), "gradient": relative(gradient, exact_gradient)}


CASES = {
    "fp32": (5, 70, 32, torch.float32, {}),
    "fp32-odd-dim": (3, 33, 19, torch.float32, {}),
    "fp32-two-tiles": (18, 300, 16, torch.float32, {}),
    "fp32-wide": (2, 20, 700, torch.float32, {}),
    "fp32-raw": (5, 70, 32, torch.float32, {"raw": True}),
    "fp32-kl": (5, 70, 32, torch.float32, {"kl": True}),
    "fp16": (8, 140, 128, torch.float16, {}),
    "bf16": (8, 140, 128, torch.bfloat16, {}),
    "bf16-512": (6, 200, 512, torch.bfloat16, {}),
    "bf16-raw": (8, 140, 128, torch.bfloat16, {"raw": True}),
    "bf16-kl": (8, 140, 128, torch.bfloat16, {"kl": True}),
}

if __name__ == "__main__":
    found = {}
    for name, (batch, classes, dim, dtype, how) in CASES.items():
        found[name] = case(batch, classes, dim, dtype, **how)
    json.dump(found, sys.stdout)
