"""RepFace: what learns as three is one in use, to float32, in torch and in ONNX."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import nn

from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.sessions import ort_session
from embedge.train.models.mobilefacenet import Activation
from embedge.train.models.repface import RepConv, RepFace, repface
from embedge.train.models.shape import Architecture, StudentShape
from embedge.train.seeds import seeded

ACTIVATIONS: tuple[Activation, ...] = ("prelu", "relu", "relu6")
Network = TypeVar("Network", bound=nn.Module)


def lived_in(network: Network) -> Network:
    """Norms that have seen maps, and scales that have been trained."""
    with seeded(1), torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.3, 2)
                nn.init.normal_(module.bias)
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.2, 3)
    return network.eval()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("outputs", "stride"), [(8, 1), (8, 2), (12, 1), (12, 2)])
def test_a_folded_block_is_the_block(outputs: int, stride: int, activation: Activation) -> None:
    with seeded(0):
        block = lived_in(RepConv(8, outputs, stride=stride, activation=activation))
        x = torch.randn(3, 8, 9, 9)
    folded = block.folded()
    assert (block.same_norm is not None) == (outputs == 8 and stride == 1)
    with torch.inference_mode():
        assert torch.allclose(folded(x), block(x), atol=1e-5)
    assert sum(isinstance(module, nn.Conv2d) for module in folded.modules()) == 1


def test_a_folded_network_is_the_network_and_leaves_it_to_be_trained_on() -> None:
    with seeded(0):
        network = lived_in(repface(64, width=0.5, depth=0.5))
        x = torch.rand(2, 3, 112, 112) * 2 - 1
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = network.folded()
    with torch.inference_mode():
        expected, found = network(x), folded(x)
    assert float((expected - found).abs().max() / expected.abs().max()) < 1e-5
    assert not any(isinstance(module, RepConv) for module in folded.modules())
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_exported_graph_has_one_convolution_a_block_and_answers_as_training_did(
    tmp_path: Path,
) -> None:
    network = lived_in(repface(32, width=0.5, activation="relu"))
    blocks = sum(isinstance(module, RepConv) for module in network.modules())
    path = tmp_path / "student.onnx"
    onnx_from_student(network.folded(), EmbeddingContract("s", "m", 32), path)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 112, 112)).astype(np.float32)
    (found,) = ort_session(path).run(None, {"image": x})
    with torch.inference_mode():
        expected = network(torch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    import onnx

    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("Conv") == blocks + 3  # stem, before the tail, over all places
    assert "Add" not in kinds


def test_every_branch_learns() -> None:
    network = repface(16, width=0.25, depth=0.25).train()
    network(torch.randn(4, 3, 112, 112)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_width_and_depth_make_it_smaller() -> None:
    def size(**changes: Any) -> int:
        return sum(p.numel() for p in RepFace(64, **changes).folded().parameters())

    assert size(width=0.5) < size() / 2
    assert size(depth=0.5) < size()


@pytest.mark.parametrize("architecture", ["mobilefacenet", "repface"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_shape_makes_its_network(architecture: Architecture, activation: Activation) -> None:
    shape = StudentShape(architecture, 1, 0.25, 0.5, activation)
    network = shape.network(24).eval()
    assert type(network).__name__.lower() == architecture
    assert network.dim == 24
    assert network.folded()(torch.zeros(1, 3, 112, 112)).shape == (1, 24)


def test_depth_takes_blocks_away_and_leaves_one_of_each() -> None:
    made: list[Any] = [
        StudentShape("mobilefacenet", 1, 1.0, depth, "prelu").network(8) for depth in (1, 0.5, 0.01)
    ]
    assert [len(one.layers[3].layers) for one in made] == [4, 2, 1]
    assert [len(one.layers[5].layers) for one in made] == [6, 3, 1]
