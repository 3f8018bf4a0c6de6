"""A student that begins as a slice of its teacher."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from embedge.errors import EmbedgeError
from embedge.train.inherit import FoldedNet, folded_teacher, slice_into
from embedge.train.inherit.folded import BOTTLENECKS, FoldedConv
from embedge.train.inherit.least_squares import affine_fit, ridge_fit
from embedge.train.inherit.norms import settle_norms
from embedge.train.models import iresnet, mobilefacenet
from embedge.train.models.mobilefacenet import MobileFaceNet
from embedge.train.seeds import seeded
from embedge.train.teachers import TorchTeacher

DIM, PICTURES = 24, 64


def lively(network: MobileFaceNet) -> MobileFaceNet:
    """Norms and slopes as a training leaves them, not as they begin."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2.0)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
            elif isinstance(module, nn.PReLU):
                module.weight.uniform_(-0.2, 0.5)
    return network.eval()


@pytest.fixture(scope="module")
def teacher() -> TorchTeacher:
    with seeded(0):
        network = lively(mobilefacenet(DIM, scale=1))
    return TorchTeacher(network, None, "d", {"dim": DIM})


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    with seeded(1):
        coarse = torch.rand(PICTURES, 3, 14, 14) * 2 - 1
    return nn.functional.interpolate(coarse, scale_factor=8, mode="bilinear")


def trunk(network: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        for layer in network.layers:
            x = layer(x)
        return network.conv_sep(x)


def test_folding_changes_nothing(teacher: TorchTeacher, pictures: torch.Tensor) -> None:
    folded = folded_teacher(teacher)
    with torch.inference_mode():
        x = folded.convs[1](folded.convs[0](pictures[:2]))
        for _, y in folded.streams(x):
            x = y
        given, wanted = folded.convs[-1](x), trunk(teacher.network, pictures[:2])
    assert (given - wanted).abs().max() < 1e-5 * wanted.abs().max()


def inflated(net: FoldedNet) -> FoldedNet:
    """Twice as wide and says the same: its streams lie in the narrow one's directions, turned, and
    every second channel of its stem is idle."""
    turns = [nn.init.orthogonal_(torch.empty(2 * n, n)) for n in (64, 128, 128)]
    stem = replace(
        net.convs[0],
        weight=with_idle_rows(net.convs[0].weight),
        bias=with_idle_rows(net.convs[0].bias),
        slopes=with_idle_rows(net.convs[0].slopes),
    )
    filters = with_idle_rows(net.convs[1].weight)
    depthwise = replace(
        net.convs[1],
        weight=torch.cat([filters, torch.zeros_like(filters)], 1),
        bias=with_idle_rows(net.convs[1].bias),
        slopes=with_idle_rows(net.convs[1].slopes),
    )
    convs, reading = [stem, depthwise], with_idle_rows(torch.eye(64))
    for number, (stream, _) in enumerate(BOTTLENECKS):
        expand, inner, project = net.bottleneck(number)
        turn = turns[stream]
        written = torch.einsum("wn,nikl->wikl", turn, project.weight)
        convs += [read_from(expand, reading), inner]
        convs.append(replace(project, weight=written, bias=turn @ project.bias))
        reading = turn
    return FoldedNet((*convs, read_from(net.convs[-1], reading)), net.places)


def with_idle_rows(rows: torch.Tensor) -> torch.Tensor:
    return torch.stack([rows, torch.zeros_like(rows)], 1).flatten(0, 1)


def read_from(conv: FoldedConv, directions: torch.Tensor) -> FoldedConv:
    return replace(conv, weight=torch.einsum("oikl,wi->owkl", conv.weight, directions))


def test_a_slice_finds_the_narrow_network_inside_a_wide_one(
    teacher: TorchTeacher, pictures: torch.Tensor
) -> None:
    """Turned streams, fitted layers and all: what the wide one says can be said by the student."""
    with torch.no_grad():
        wide = inflated(folded_teacher(teacher))
    student = mobilefacenet(DIM, scale=1).eval()
    slice_into(student, wide, pictures, torch.randn(PICTURES, DIM))
    theirs = trunk(teacher.network, pictures[:3])
    error = (trunk(student, pictures[:3]) - theirs).norm() / theirs.norm()
    assert error < 1e-3


def test_settled_norms_say_the_same_in_training_and_evaluation(pictures: torch.Tensor) -> None:
    with seeded(2):
        network = lively(mobilefacenet(DIM, scale=1, width=0.25))
    with torch.inference_mode():
        before = network(pictures)
        settle_norms(network, [pictures[:16], pictures[16:]])
        torch.testing.assert_close(network(pictures), before, rtol=1e-3, atol=1e-3)
        in_training = network.train()(pictures)
    assert nn.functional.cosine_similarity(in_training, before).min() > 0.99


def test_fits_find_the_layer_that_is_there() -> None:
    with seeded(3):
        inputs, weight, bias = torch.randn(400, 20), torch.randn(6, 20), torch.randn(6)
    found = affine_fit(inputs, inputs @ weight.T + bias)
    torch.testing.assert_close(found[0], weight, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found[1], bias, rtol=1e-3, atol=1e-3)
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(400, 6))).float()
    assert ridge_fit(inputs, inputs @ weight.T)[2] > 0.99
    assert ridge_fit(inputs, noise)[2] < 0.2


def test_another_network_is_refused() -> None:
    network = iresnet(18, DIM, channels=(8, 8, 8, 8))
    with pytest.raises(EmbedgeError, match=r"E-START.*no MobileFaceNet"):
        folded_teacher(TorchTeacher(network, None, "d", {"dim": DIM}))
