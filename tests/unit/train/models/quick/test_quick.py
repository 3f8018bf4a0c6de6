"""The kernels against plain layers in double precision, and a network with and without them."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_torch import switched_off
from torch import nn

from embedge.train.loop.synced_norm import synced
from embedge.train.models import iresnet, mobilefacenet
from embedge.train.models.quick import compiled, layers
from embedge.train.models.quick.compiled import prepared

needs_compiler = pytest.mark.skipif(not prepared(), reason="no C++ compiler here")
BOUNDS = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


def layer_of(
    channels: int, activation: str, draw: torch.Generator
) -> tuple[nn.BatchNorm2d, nn.Module | None]:
    before = nn.BatchNorm2d(channels)
    with torch.no_grad():
        before.weight.uniform_(0.2, 2, generator=draw)
        before.bias.uniform_(-1, 1, generator=draw)
    slopes = nn.PReLU(channels)
    with torch.no_grad():
        slopes.weight.uniform_(-0.5, 1.5, generator=draw)
    return before, {"prelu": slopes, "relu": nn.ReLU(), "none": None}[activation]


def maps(draw: torch.Generator, dtype: torch.dtype, *shape: int) -> torch.Tensor:
    """Far from zero in the mean, as a norm exists to mend."""
    x = 3 * torch.randn(*shape, generator=draw) + 5 * torch.randn(shape[1], 1, 1, generator=draw)
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def compared(
    function: Callable[..., torch.Tensor],
    x: torch.Tensor,
    others: Sequence[torch.Tensor],
    modules: Sequence[nn.Module],
    dtype: torch.dtype,
    upstream: torch.Tensor,
) -> None:
    """Value, gradients and running statistics of `function`, and the same in double."""
    found = []
    for kind in (dtype, torch.float64):
        mine = [copy.deepcopy(m).train() for m in modules]
        if kind == torch.float64:
            mine = [m.double() for m in mine]
        inputs = [t.to(kind).detach().clone().requires_grad_() for t in (x, *others)]
        inputs = [t.contiguous(memory_format=torch.channels_last) for t in inputs]
        value = function(mine, *inputs)
        leaves = [*inputs, *(p for m in mine for p in m.parameters())]
        grads = torch.autograd.grad(value, leaves, upstream.to(kind))
        kept = [b for m in mine for b in m.buffers() if b.is_floating_point()]
        found.append([t.double() for t in (value.detach(), *grads, *kept)])
    for got, wanted in zip(*found, strict=True):
        far = (got - wanted).norm() / wanted.norm().clamp_min(1e-6 * upstream.norm())
        assert far < BOUNDS[dtype]


@needs_compiler
@given(
    st.sampled_from(["prelu", "relu", "none"]),
    st.sampled_from(sorted(BOUNDS, key=str)),
    st.integers(1, 40),
    st.integers(1, 9),
    st.booleans(),
    st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_a_norm_with_its_activation(
    activation: str, dtype: torch.dtype, channels: int, side: int, residual: bool, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    before, act = layer_of(channels, activation, draw)
    x = maps(draw, dtype, 5, channels, side, side + 1)
    residual = residual and act is None
    others = [maps(draw, dtype, *x.shape)] if residual else []
    modules = [before] if act is None else [before, act]

    def function(
        mine: Sequence[Any], x: torch.Tensor, more: torch.Tensor | None = None
    ) -> torch.Tensor:
        return layers.normed(x, mine[0], mine[1] if act else None, more)

    compared(function, x, others, modules, dtype, torch.randn(x.shape, generator=draw).to(dtype))


@needs_compiler
@given(
    st.sampled_from(["prelu", "relu"]),
    st.sampled_from(sorted(BOUNDS, key=str)),
    st.sampled_from([16, 48]),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([1, 2]),
    st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_depthwise_filters_behind_a_norm(
    activation: str,
    dtype: torch.dtype,
    channels: int,
    height: int,
    side: int,
    stride: int,
    seed: int,
) -> None:
    draw = torch.Generator().manual_seed(seed)
    before, act = layer_of(channels, activation, draw)
    taps = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
    after, _ = layer_of(channels, "none", draw)
    x = maps(draw, dtype, 4, channels, height, side)

    def function(mine: Sequence[Any], x: torch.Tensor) -> torch.Tensor:
        before, act, taps, after = mine
        if x.dtype == torch.float64:
            return after(taps(act(before(x))))
        y, moments = layers.filtered(x, before, act, taps, after)
        return layers.normed(y, after, None, known=moments)

    shape = taps(x.float()).shape
    upstream = torch.randn(shape, generator=draw).to(dtype)
    if dtype == torch.bfloat16 and shape[2] * shape[3] < 9:
        return  # a norm over a few rounded values answers to their rounding
    compared(function, x, [], [before, act, taps, after], dtype, upstream)


def losses(network: Any, amp: bool, steps: int, side: int = 112) -> torch.Tensor:
    """Of a short regression from a fixed start."""
    draw = torch.Generator().manual_seed(4)
    images = torch.randn(8, 3, side, side, generator=draw)
    images = images.contiguous(memory_format=torch.channels_last)
    wanted = nn.functional.normalize(torch.randn(8, network.dim, generator=draw))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.002)  # calm: rounding does not grow
    network.train()
    found = []
    for _ in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            embedding = network(images)
        cosines = (nn.functional.normalize(embedding.float()) * wanted).sum(1)
        loss = (1 - cosines).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return torch.tensor(found)


def made(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "mobilefacenet":
        network: Any = mobilefacenet(32, scale=1, width=0.25)
    else:
        network = iresnet(18, 32, channels=(16, 16, 32, 32))
    return network.to(memory_format=torch.channels_last)


@needs_compiler
@pytest.mark.parametrize("kind", ["mobilefacenet", "iresnet"])
def test_fifty_steps_end_at_the_same_loss(kind: str) -> None:
    quickly = losses(made(kind), False, 50)
    with switched_off():
        plainly = losses(made(kind), False, 50)
    assert plainly[-1] < 0.9 * plainly[0]  # it learns
    assert (quickly - plainly).abs().max() < 1e-3


@needs_compiler
def test_in_half_precision_it_learns_as_well() -> None:
    quickly = losses(made("mobilefacenet"), True, 50)
    with switched_off():
        plainly = losses(made("mobilefacenet"), False, 50)
    assert (quickly - plainly)[-10:].mean().abs() < 0.05 * plainly[-10:].mean()


@needs_compiler
@pytest.mark.parametrize("kind", ["mobilefacenet", "iresnet"])
def test_evaluation_and_names_are_those_of_the_plain_layers(kind: str) -> None:
    network, x = made(kind).eval(), torch.randn(2, 3, 112, 112)
    with switched_off():
        plain, names = network(x), list(network.state_dict())
    assert torch.equal(network(x), plain)
    assert list(network.state_dict()) == names


@needs_compiler
def test_the_kernels_are_what_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []

    def noted(name: str, *given: Any) -> Any:
        used.append(name)
        return compiled.call(name, *given)

    monkeypatch.setattr(layers, "call", noted)
    losses(made("mobilefacenet"), False, 1)
    assert set(used) == {"moments", "normed", "pulled", "pushed", "filtered", "unfiltered"}


@needs_compiler
def test_the_same_threads_give_the_same_bits() -> None:
    assert torch.equal(
        losses(made("mobilefacenet"), True, 4), losses(made("mobilefacenet"), True, 4)
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda n: n.double(),
        lambda n: n.eval(),
    ],
)
def test_other_networks_take_the_plain_layers(
    spoil: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = spoil(made("mobilefacenet"))
    x = torch.randn(2, 3, 112, 112, dtype=next(network.parameters()).dtype)
    monkeypatch.setattr(layers, "call", lambda *a: pytest.fail("a kernel was called"))
    network(x)


def test_norms_of_several_processes_take_the_plain_layers() -> None:
    twin = synced(made("mobilefacenet"))
    kinds = {type(m) for m in twin.modules()}
    assert nn.BatchNorm2d not in kinds
    assert not any(layers.quick(torch.zeros(2, 8, 4, 4), m) for m in twin.modules())


@pytest.mark.parametrize("change", [{"EMBEDGE_KERNELS": "0"}, {"CXX": "no-such-compiler"}])
def test_without_a_compiler_it_trains_all_the_same(change: dict[str, str]) -> None:
    script = (
        "import torch; from embedge.train.models import mobilefacenet as m;"
        "from embedge.train.models.quick.compiled import prepared as p;"
        "n = m(32, scale=1, width=.125).train(); x = torch.randn(4, 3, 112, 112);"
        "n(x.contiguous(memory_format=torch.channels_last)).sum().backward(); print(p())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **change},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


@needs_compiler
def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compiled._library.__wrapped__() is None
