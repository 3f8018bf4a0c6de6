"""Quantisation-aware training: a short time of training inside the arithmetic of INT8.

The loss is the caller's. `train.distil.train_student` trains the module under the frozen shared
head, as it trained the student, so the INT8 student stays in the teacher's space. It is handed
on as `qdq_from_onnx(…, quantise=partial(trained_graph, fit=fit))`.
"""

from collections.abc import Callable

from torch import nn

from embedge.export.graph.running import Images
from embedge.export.graph.surgery import Graph
from embedge.export.int8 import WEIGHT_BITS
from embedge.export.int8.qdq import Calibrated, quantised
from embedge.export.int8.ranges import Method
from embedge.export.int8.training.fake_quant import FakeQuantised

__all__ = ["Fit", "trained_graph"]

Fit = Callable[[nn.Module], object]


def trained_graph(
    calibrated: Calibrated,
    images: Images,
    method: Method = "mse",
    *,
    fit: Fit,
    kept: frozenset[str] = frozenset(),
    weight_bits: int = WEIGHT_BITS,
) -> Graph:
    """The Q/DQ graph after `fit` has trained its fake-quantised twin; `kept` stays in float."""
    module = FakeQuantised(calibrated, images, method, bits=weight_bits, kept=kept)
    fit(module)
    return quantised(
        module.to_calibrated(),
        images,
        method,
        kept=kept,
        weight_bits=weight_bits,
        correct=False,  # training has set the biases for these very scales
    )
