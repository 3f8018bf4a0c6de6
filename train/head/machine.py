"""What a machine does per second on the head's work: measured here, or published by its maker."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from embedge.errors import EmbedgeError

__all__ = [
    "PUBLISHED",
    "HeadMachine",
    "machine_from_times",
    "measure_machine",
    "probes",
    "times_in_turn",
]

# Of the dense half-precision peak, what the two products are assumed to reach where nothing was
# measured. An assumption, and every prediction made with it says so.
ASSUMED_SHARE = 0.6
# enough that the rows come from memory and not from a cache, as those of a large head do
_SAMPLE_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class HeadMachine:
    """Rates of one device. `source` says where they come from."""

    name: str
    source: str
    memory: int  # bytes
    products: float  # FLOP/s of the two matrix products, block by block
    softmax: float  # logits per second, beside the products
    widening: float  # numbers of a half-precision head per second
    normalising: float  # numbers of a trainable head per second, both passes
    link: float  # bytes per second between two ranks

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str | Path) -> "HeadMachine":
        try:
            return cls(**value)
        except TypeError as error:
            raise EmbedgeError(
                "E-PLAN-MACHINE",
                f"this does not describe a machine: {error}",
                where=where,
                remedy="Write the file with `embedge plan --save-machine FILE` on that machine",
            ) from error


def _published(name: str, gib: float, tera: float, link: float) -> HeadMachine:
    return HeadMachine(
        name,
        f"published peak, of which {ASSUMED_SHARE:.0%} is assumed; not measured",
        int(gib * 2**30),
        tera * 1e12 * ASSUMED_SHARE,
        softmax=float("inf"),
        widening=float("inf"),
        normalising=float("inf"),
        link=link,
    )


# Memory in GiB, dense bfloat16 TFLOP/s with float32 sums, bytes/s to the other GPUs (NVLink, or
# PCIe where there is none), from the makers' data sheets.
PUBLISHED = {
    "h200": _published("NVIDIA H200 SXM", 131, 989, 450e9),
    "h100": _published("NVIDIA H100 SXM 80 GB", 74.5, 989, 450e9),
    "a100-80": _published("NVIDIA A100 SXM 80 GB", 74.5, 312, 300e9),
    "a100-40": _published("NVIDIA A100 SXM 40 GB", 37.2, 312, 300e9),
    "l4": _published("NVIDIA L4", 22.3, 121, 32e9),
}


def measure_machine(batch: int, dim: int, device: str = "cpu") -> HeadMachine:
    """Run the head's own pass on a few thousand classes, with and without each part of it."""
    times = times_in_turn(device, *probes(batch, dim, device))
    return machine_from_times([median(each) for each in times], batch, dim, device)


def probes(batch: int, dim: int, device: str) -> list[Callable[[], None]]:
    """The two products alone; a frozen head; one in half precision; a trainable one."""
    import torch

    from embedge.train.head.margins import Margin
    from embedge.train.head.streamed.blocks import default_rows
    from embedge.train.head.streamed.margin_ce import margin_ce

    draw = torch.Generator().manual_seed(0)
    weight = torch.nn.functional.normalize(torch.randn(_SAMPLE_ROWS, dim, generator=draw))
    weight = weight.to(device)
    half = weight.bfloat16()
    head = weight if device == "cpu" else half
    unit = torch.nn.functional.normalize(torch.randn(batch, dim, generator=draw)).to(device)
    labels = torch.randint(_SAMPLE_ROWS, (batch,), generator=draw).to(device)
    size = default_rows(batch, on_gpu=device == "cuda")

    def products() -> None:
        scores = torch.empty(batch, size, device=device, dtype=head.dtype)
        query, rows = unit.to(head.dtype), torch.zeros(batch, dim, device=device, dtype=head.dtype)
        for block in head.split(size):
            part = scores[:, : len(block)]
            torch.mm(query, block.T, out=part)
            rows.addmm_(part, block)

    def whole(rows: torch.Tensor, trainable: bool = False) -> None:
        leaf = unit.clone().requires_grad_()
        rows = rows.detach().requires_grad_(trainable)
        margin_ce(leaf, rows, labels, Margin(m2=0.5)).mean().backward()

    return [
        products,
        lambda: whole(head),
        lambda: whole(half),
        lambda: whole(weight, trainable=True),
    ]


def machine_from_times(times: Sequence[float], batch: int, dim: int, device: str) -> HeadMachine:
    """Rates from the seconds of the four probes."""
    alone, frozen, half, trained = times
    numbers = _SAMPLE_ROWS * dim
    return HeadMachine(
        _name(device),
        f"measured here at batch {batch}, {dim} dimensions",
        _memory(device),
        products=4 * batch * numbers / alone,
        softmax=_rate(batch * _SAMPLE_ROWS, frozen - alone),
        widening=_rate(numbers, half - frozen),
        normalising=_rate(numbers, trained - 2 * frozen),
        link=PUBLISHED["h100"].link if device == "cuda" else 4e9,
    )


def times_in_turn(
    device: str, *works: Callable[[], object], seconds: float = 2.5
) -> list[list[float]]:
    """Seconds of each round of each work, without the first.

    The works take turns, so that a slow moment of the machine does not hit one of them alone.
    """
    import torch

    times: list[list[float]] = [[] for _ in works]
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 4 or time.perf_counter() < end:
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            if rounds:
                times[place].append(time.perf_counter() - start)
        rounds += 1
    return times


def _rate(amount: float, seconds: float) -> float:
    """A part that cost nothing measurable has no rate to speak of."""
    return amount / seconds if seconds > 0 else 1e18


def _name(device: str) -> str:
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} processor cores, {torch.get_num_threads()} threads"


def _memory(device: str) -> int:
    import torch

    if device == "cuda":
        return torch.cuda.get_device_properties(0).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
