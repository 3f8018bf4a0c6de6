"""INT8: a float graph becomes a Q/DQ graph that says itself what runs in 8 bits."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.ranges import Histogram, Method, Range
from embedge.errors import EmbedgeError
from embedge.export.canonical import canonical
from embedge.export.observe import batches_of, observe
from embedge.export.placement import Target, Wanted, place, wanted_tensors
from embedge.export.prelu import tame_slopes
from embedge.export.surgery import Graph

__all__ = ["collect_histograms", "qdq_from_onnx"]

Images = NDArray[np.uint8]
_VALUES_PER_PICTURE = 1 << 14


def qdq_from_onnx(
    path_in: Path,
    calibration_images: Images,
    path_out: Path,
    *,
    target: Target = "cpu",
    method: Method = "mse",
) -> None:
    """Quantise an ONNX file with the ranges that uint8 (N,H,W,3) pictures show."""
    graph = canonical(Graph.read(path_in))
    require_pictures(calibration_images)
    tame_slopes(graph)
    wanted = wanted_tensors(graph, target)
    histograms = collect_histograms(graph, wanted, calibration_images)
    ranges = ranges_of(wanted, histograms, method, symmetric=target != "cpu")
    place(graph, wanted, ranges, target)
    graph.write(path_out)


def require_pictures(images: Images) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise EmbedgeError(
            "E-CALIBRATION",
            f"calibration pictures are uint8 (N, height, width, 3), these are {images.dtype}"
            f" {images.shape}",
            remedy="Pass aligned RGB pictures as they are decoded",
        )


def collect_histograms(graph: Graph, wanted: Wanted, images: Images) -> dict[str, Histogram]:
    histograms = {name: Histogram() for name in wanted.tensors}
    for values in observe(graph, wanted.tensors, batches_of(images)):
        for name, value in values.items():
            histograms[name].collect(value, name, most=_VALUES_PER_PICTURE)
    return histograms


def ranges_of(
    wanted: Wanted, histograms: dict[str, Histogram], method: Method, *, symmetric: bool
) -> dict[str, Range]:
    """One range per root: the union over the tensors that share it."""
    options = {"symmetric": symmetric} if method == "mse" else {}
    ranges = dict[str, Range]()
    for name, histogram in histograms.items():
        found, root = histogram.compute(method, **options), wanted.root(name)
        ranges[root] = found.union(ranges[root]) if root in ranges else found
    return ranges
