"""Every rate that a budget is made from, and where it comes from: measured, published, assumed."""

from dataclasses import dataclass

from embedge.train.head.machine import ASSUMED_SHARE, PUBLISHED

__all__ = ["GPUS", "RATES", "Gpu", "Rate"]


@dataclass(frozen=True, slots=True)
class Rate:
    value: float
    unit: str
    source: str

    @property
    def told(self) -> str:
        """As one would say it."""
        if self.unit.startswith("of the"):
            return f"{100 * self.value:g} % {self.unit}"
        head, _, rest = self.unit.partition(" ")
        sizes = {"s": (1e-6, "µs"), "FLOP/s": (1e9, "GFLOP/s")}
        if head == "bytes" and self.value >= 2**30:
            sizes["bytes"] = (2**30, "GiB")
        factor, name = sizes.get(head, (1.0, head))
        value = self.value / factor
        return f"{value:,.0f} {name} {rest}" if value >= 1000 else f"{value:g} {name} {rest}"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One of them, as its maker's data sheet tells it."""

    name: str
    memory: int
    """bytes"""
    peak: float
    """dense bfloat16 FLOP/s"""
    bandwidth: float
    """bytes per second of its memory"""
    link: float
    """bytes per second to the others"""


_BANDWIDTH = {"h200": 4.8e12, "h100": 3.35e12, "a100-80": 2.039e12, "a100-40": 1.555e12, "l4": 3e11}

GPUS = {
    key: Gpu(one.name, one.memory, one.products / ASSUMED_SHARE, _BANDWIDTH[key], one.link)
    for key, one in PUBLISHED.items()
}

RATES = {
    "decode": Rate(
        2145.0,
        "faces/s a core",
        "measured: benchmarks/results/loader.json, batches of JPEGs of 4 KB by two busy cores",
    ),
    "record": Rate(
        5.0e3,
        "bytes a picture",
        "assumed; rendered faces at quality 95 take 4,056 (benchmarks/results/loader.json)",
    ),
    "iresnet forward": Rate(
        0.20,
        "of the peak",
        "assumed. arcface_torch's README tells 5,900 pictures/s for training r50 on 8 GPUs it does"
        " not name: 28 TFLOP/s each, 9 % of an A100's peak, 22 % of a V100's",
    ),
    "iresnet training": Rate(0.12, "of the peak", "assumed, between the two readings above"),
    "head": Rate(ASSUMED_SHARE, "of the peak", "assumed for the products through cuBLAS"),
    "fp32": Rate(
        0.06,
        "of the peak",
        "published: 67 of an H200's 989 TFLOP/s, 19.5 of an A100's 312; with head_dtype fp32",
    ),
    "tf32": Rate(
        0.5,
        "of the peak",
        "published: 494 of an H200's 989 TFLOP/s, 156 of an A100's 312; with amp fp32 cuDNN's"
        " convolutions are multiplied so",
    ),
    "memory": Rate(0.6, "of the bandwidth", "assumed for elementwise work and small convolutions"),
    "link": Rate(0.6, "of the bandwidth", "assumed for an all-reduce"),
    "launch": Rate(6e-6, "s a kernel", "assumed for eager PyTorch; torch.compile launches fewer"),
    "compute": Rate(
        3.0e10,
        "FLOP/s a core",
        "assumed for networks on a CPU in float32 (evaluation, INT8, parity)",
    ),
    "context": Rate(1.5 * 2**30, "bytes a GPU", "assumed for CUDA, cuDNN and NCCL"),
}
