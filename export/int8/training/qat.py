"""Quantisation-aware training: a short time of training inside the arithmetic of INT8.

The loss is the caller's. `train.distil.train_student` trains the module under the frozen shared
head, as it trained the student, so the INT8 student stays in the teacher's space; `match_float`
needs no labels and pulls the INT8 embeddings to those of the float graph.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from embedge.export.graph.observe import DEFAULT_DOOR
from embedge.export.graph.surgery import Graph
from embedge.export.int8.budget.before_after import embeddings_of
from embedge.export.int8.placement import Target
from embedge.export.int8.qdq import Calibrated, Images, calibrated_graph, quantised, write_for
from embedge.export.int8.ranges import Method
from embedge.export.int8.training.fake_quant import FakeQuantised
from embedge.runtime.encoders import tensor_from_crops

__all__ = ["match_float", "qat_from_onnx", "trained_graph"]

Fit = Callable[[nn.Module], object]


def qat_from_onnx(
    path_in: Path,
    calibration_images: Images,
    path_out: Path,
    fit: Fit,
    *,
    target: Target = "cpu",
    method: Method = "mse",
    weight_bits: int = 8,
) -> None:
    """Calibrate, let `fit` train the fake-quantised network in place, write the INT8 graph."""
    calibrated = calibrated_graph(path_in, calibration_images, target)
    write_for(
        trained_graph(calibrated, calibration_images, fit, method=method, weight_bits=weight_bits),
        target,
        path_out,
    )


def trained_graph(
    calibrated: Calibrated,
    images: Images,
    fit: Fit,
    *,
    method: Method = "mse",
    kept: frozenset[str] = frozenset(),
    weight_bits: int = 8,
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


def match_float(
    path: Path,
    images: Images,
    *,
    steps: int,
    batch: int = 32,
    rate: float = 1e-4,
    seed: int = 0,
) -> Fit:
    """A fit that needs pictures only: cosine distance to the float graph's embeddings."""

    def fit(module: nn.Module) -> None:
        goals = torch.from_numpy(embeddings_of(path, images))
        optimizer = torch.optim.Adam(module.parameters(), rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        rng = np.random.default_rng(seed)
        for _ in range(steps):
            index = rng.integers(0, len(images), min(batch, len(images)))
            found = module(torch.from_numpy(tensor_from_crops(images[index], DEFAULT_DOOR)))
            loss = 1 - functional.cosine_similarity(found, goals[index]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

    return fit
