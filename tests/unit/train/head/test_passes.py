"""Kept or streamed, a head gives the same losses and gradients; kept, each product is made once."""

from typing import Any

import pytest
import torch
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from embedge.train.head.margins import Margin
from embedge.train.head.passes import read_head
from embedge.train.methods import Ingredients, Weights, method_named
from embedge.train.methods.parts.method import Sample
from embedge.train.seeds import seeded

BATCH, CLASSES, DIM = 12, 40, 16
KEPT, STREAMED = 64, 0


def sample(seed: int = 0, dtype: torch.dtype = torch.float32) -> Sample:
    with seeded(seed):
        student = torch.randn(BATCH, DIM, dtype=dtype).requires_grad_()
        return Sample(
            student, torch.randint(0, CLASSES, (BATCH,)), torch.randn(BATCH, DIM, dtype=dtype)
        )


def made(name: str, budget: int, **weights: Any) -> Any:
    with seeded(3):
        head = normalize(torch.randn(CLASSES, DIM))
        settings = Weights(a=0.4, beta=2.0, temperature=2.0, logits_mb=budget, **weights)
        return method_named(name, Ingredients(CLASSES, DIM, head, Margin(m2=0.4), settings))


@pytest.mark.parametrize("name", ["scratch", "kd", "proxyless", "th-kd", "adadistill", "l2e"])
def test_kept_and_streamed_agree(name: str) -> None:
    found = []
    for budget in (KEPT, STREAMED):
        method, asked = made(name, budget), sample()
        method(asked).total.backward()
        gradients = [p.grad for p in method.parameters()]
        found.append([asked.student.grad, *gradients])
    for kept, streamed in zip(*found):
        torch.testing.assert_close(kept, streamed, rtol=1e-4, atol=1e-5)


def test_a_loss_that_is_nearly_zero_keeps_its_gradient() -> None:
    head = normalize(torch.randn(CLASSES, DIM, generator=torch.Generator().manual_seed(1)))
    labels = torch.arange(BATCH)
    near = (head[:BATCH] + 1e-3 * torch.randn(BATCH, DIM)).requires_grad_()
    exact = near.detach().double().requires_grad_()
    loss = read_head(near, head, KEPT).ce(labels, Margin()).mean()
    naive = torch.nn.functional.cross_entropy(64.0 * normalize(exact) @ head.double().T, labels)
    (found,), (wanted,) = torch.autograd.grad(loss, near), torch.autograd.grad(naive, exact)
    assert float(naive.detach()) < 1e-6
    assert (found - wanted).norm() <= 1e-3 * wanted.norm()


def test_one_class_alone_costs_nothing_and_has_no_gradient() -> None:
    alone = torch.randn(3, DIM, requires_grad=True)
    read = read_head(alone, normalize(torch.randn(1, DIM)), KEPT)
    read.ce(torch.zeros(3, dtype=torch.int64), Margin()).sum().backward()
    assert not alone.grad.any()


PRODUCTS = {"proxyless": 2, "scratch": 3, "kd": 4, "th-kd": 6}


@pytest.mark.parametrize(("name", "products"), PRODUCTS.items())
def test_products_of_a_step(name: str, products: int) -> None:
    method, asked = made(name, KEPT), sample()
    with FlopCounterMode(display=False) as counter:
        method(asked).total.backward()
    assert counter.get_total_flops() == products * 2 * BATCH * CLASSES * DIM


def test_nothing_of_the_size_of_the_logits_is_kept_past_the_budget() -> None:
    assert type(read_head(torch.randn(64, 8), torch.randn(93_431, 8), 256)).__name__ == "_Kept"
    assert type(read_head(torch.randn(1024, 8), torch.randn(93_431, 8), 256)).__name__ != "_Kept"


def test_a_head_in_half_precision_is_near() -> None:
    whole, half = made("th-kd", KEPT), made("th-kd", KEPT, head_dtype="bf16")
    assert half.shared.rows.dtype == torch.bfloat16
    assert half(sample()).total.item() == pytest.approx(whole(sample()).total.item(), rel=0.02)
    adapting = made("adadistill", KEPT, head_dtype="bf16")
    assert adapting.shared.rows.dtype == torch.float32


def test_the_cosine_with_the_margin_is_not_rounded() -> None:
    """As exact as with the same rows in full precision, where nobody else is near."""
    draw = torch.Generator().manual_seed(1)
    rows = normalize(torch.randn(CLASSES, DIM, generator=draw)).bfloat16()
    labels = torch.arange(BATCH)
    near = rows[:BATCH].float() + 0.3 * torch.randn(BATCH, DIM, generator=draw)
    found = []
    for head in (rows, rows.double()):
        leaf = near.to(torch.float64 if head.dtype == torch.float64 else torch.float32)
        passed: Any = read_head(leaf, head, KEPT)
        target = passed._on_target(labels)
        found.append(target.double())
    assert (found[0] - found[1]).abs().max() < 1e-6
    passed = read_head(near, rows, KEPT)
    rounded = passed.cosines.gather(1, labels[:, None])[:, 0]
    assert (rounded - found[1]).abs().max() > 1e-4, "what the products in half precision give"


@pytest.mark.parametrize("name", ["scratch", "th-kd"])
def test_a_head_that_is_trained_is_multiplied_in_half_and_learns_in_full(name: str) -> None:
    found = []
    for kind in ("fp32", "bf16"):
        method, asked = made(name, KEPT, head_dtype=kind), sample()
        with seeded(7):
            torch.nn.init.normal_(method.head)
        with _Products() as products:
            method(asked).total.backward()
        assert products.kinds == {torch.float32 if kind == "fp32" else torch.bfloat16}
        assert method.head.dtype == method.head.grad.dtype == torch.float32
        found.append((asked.student.grad, method.head.grad))
    for whole, half in zip(*found):
        assert 0 < (half - whole).norm() <= 3e-2 * whole.norm()


class _Products(TorchDispatchMode):
    """What kinds of numbers are multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: set[torch.dtype] = set()

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if op is torch.ops.aten.mm.default:
            self.kinds.add(args[0].dtype)
        return op(*args, **(kwargs or {}))
