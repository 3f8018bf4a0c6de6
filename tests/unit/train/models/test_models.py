import pytest
import torch

from embedge.train.models import iresnet, mobilefacenet
from embedge.train.models.cost import macs_of, parameters_of
from embedge.train.models.mobilefacenet import Activation, Depthwise


@pytest.mark.parametrize(
    ("scale", "parameters", "macs"),
    [(1, 1_200_512, 221_161_984), (2, 2_059_520, 437_520_896)],
)
def test_mobilefacenet_costs_what_the_published_one_costs(
    scale: int, parameters: int, macs: int
) -> None:
    network = mobilefacenet(512, scale=scale)
    assert parameters_of(network) == parameters
    assert macs_of(network) == macs


def test_mobilefacenet_names_its_weights_as_arcface_torch_does() -> None:
    names = set(mobilefacenet(512, scale=2).state_dict())
    assert {
        "layers.0.layers.0.weight",
        "layers.2.layers.1.layers.2.weight",
        "layers.3.layers.3.layers.2.layers.1.running_var",
        "conv_sep.layers.0.weight",
        "features.layers.0.layers.0.weight",
        "features.layers.2.weight",
        "features.layers.3.running_mean",
    } <= names


@pytest.mark.parametrize(("depth", "millions"), [(18, 24.03), (50, 43.59), (100, 65.16)])
def test_iresnet_has_the_published_size(depth: int, millions: float) -> None:
    assert round(parameters_of(iresnet(depth, 512)) / 1e6, 2) == millions


def test_iresnet_names_its_weights_as_arcface_torch_does() -> None:
    names = set(iresnet(50, 512).state_dict())
    assert {"layer3.13.bn3.weight", "layer1.0.downsample.1.bias", "features.bias"} <= names


@pytest.mark.parametrize("activation", ["prelu", "relu", "relu6"])
def test_narrow_student_embeds(activation: Activation) -> None:
    network = mobilefacenet(64, scale=1, width=0.25, activation=activation).eval()
    assert network(torch.zeros(2, 3, 112, 112)).shape == (2, 64)
    has_prelu = any(isinstance(m, torch.nn.PReLU) for m in network.modules())
    assert has_prelu == (activation == "prelu")


def test_counting_leaves_the_network_as_it_was() -> None:
    network = mobilefacenet(32, scale=1, width=0.125).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    macs_of(network)
    assert network.training
    assert all(torch.equal(before[name], v) for name, v in network.state_dict().items())


@pytest.mark.parametrize(
    ("channels", "groups", "kernel", "stride", "side"),
    [
        (16, 16, 3, 2, 14),
        (16, 16, 3, 2, 15),
        (16, 16, 3, 1, 14),
        (12, 12, 7, 1, 7),
        (16, 8, 3, 1, 9),
    ],
)
def test_the_quick_depthwise_computes_what_the_plain_one_does(
    channels: int, groups: int, kernel: int, stride: int, side: int
) -> None:
    torch.manual_seed(0)
    padding = 1 if kernel == 3 else 0
    quick = Depthwise(channels, channels, kernel, stride, padding, groups=groups, bias=False)
    quick = quick.double()
    x = torch.randn(3, channels, side, side, dtype=torch.float64, requires_grad=True)
    plain = torch.nn.functional.conv2d(x, quick.weight, None, stride, padding, 1, groups)
    upstream = torch.randn_like(plain)
    wanted = torch.autograd.grad(plain, (x, quick.weight), upstream)
    found = quick.train()(x)
    torch.testing.assert_close(found, plain)
    for mine, theirs in zip(torch.autograd.grad(found, (x, quick.weight), upstream), wanted):
        torch.testing.assert_close(mine, theirs)
    assert torch.equal(quick.eval()(x), plain)
