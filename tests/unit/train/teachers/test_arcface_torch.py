"""Checkpoints and classifiers as arcface_torch writes them."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from embedge.errors import EmbedgeError
from embedge.train.models import mobilefacenet
from embedge.train.models.iresnet import IResNet
from embedge.train.seeds import seeded
from embedge.train.teachers.arcface_torch import head_from_shards, network_from_checkpoint

CLASSES, DIM = 11, 8


def small(depth_blocks: tuple[int, int, int, int] = (2, 2, 2, 2)) -> IResNet:
    with seeded(0):
        return IResNet(depth_blocks, DIM, channels=(8, 8, 8, 8)).eval()


@pytest.mark.parametrize("wrapped", ["bare", "ddp", "state_dict_backbone"])
def test_an_iresnet_is_recognised_by_its_parameters(tmp_path: Path, wrapped: str) -> None:
    network = small((3, 4, 6, 3))
    weights = network.state_dict()
    if wrapped == "ddp":
        weights = {f"module.{name}": value for name, value in weights.items()}
    stored = {"epoch": 3, "state_dict_backbone": weights} if "_" in wrapped else weights
    torch.save(stored, tmp_path / "backbone.pth")
    found, facts = network_from_checkpoint(tmp_path / "backbone.pth")
    assert (facts["depth"], facts["dim"], facts["channels"]) == (34, DIM, [8, 8, 8, 8])
    mine, theirs = found.state_dict(), network.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_mobilefacenet_is_recognised(tmp_path: Path, scale: int) -> None:
    network = mobilefacenet(DIM, scale=scale)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    _, facts = network_from_checkpoint(tmp_path / "model.pt")
    assert facts == {"network": "mobilefacenet", "dim": DIM, "scale": scale}


def test_another_networks_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "model.pt")
    with pytest.raises(EmbedgeError, match=r"E-TEACHER.*parameter names"):
        network_from_checkpoint(tmp_path / "model.pt")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("/nonexistent/embedge-was-here", "w"))


def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
    with pytest.raises(EmbedgeError, match="E-TEACHER"):
        network_from_checkpoint(tmp_path / "model.pt")


def shards(
    folder: Path, ranks: int, *, legacy: bool = False, classes: int = CLASSES
) -> tuple[torch.Tensor, list[Path]]:
    """The way PartialFC divides classes: the first ranks take what is left over."""
    with seeded(1):
        head = torch.randn(classes, DIM)
    sizes = [classes // ranks + (rank < classes % ranks) for rank in range(ranks)]
    paths = []
    for rank, rows in enumerate(head.split(sizes)):
        if legacy:
            paths.append(folder / f"rank_{rank}_softmax_weight.pt")
            torch.save(rows.clone(), paths[-1])
        else:
            paths.append(folder / f"checkpoint_gpu_{rank}.pt")
            torch.save({"epoch": 1, "state_dict_softmax_fc": {"weight": rows.clone()}}, paths[-1])
    return head, paths


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("ranks", [1, 2, 4, 11])
def test_shards_of_any_number_of_ranks_make_the_head(
    tmp_path: Path, ranks: int, legacy: bool
) -> None:
    head, paths = shards(tmp_path, ranks, legacy=legacy)
    found = head_from_shards(paths[::-1], CLASSES)
    torch.testing.assert_close(found, normalize(head))


def test_a_missing_rank_is_named(tmp_path: Path) -> None:
    _, paths = shards(tmp_path, 4)
    with pytest.raises(EmbedgeError, match=r"E-HEAD-SHARDS.*missing: \[1\]"):
        head_from_shards([paths[0], *paths[2:]], CLASSES)


def test_shards_that_do_not_add_up_are_explained(tmp_path: Path) -> None:
    _, paths = shards(tmp_path, 4, classes=12)
    with pytest.raises(EmbedgeError, match=r"3 \+ 3 \+ 3 = 9 classes, expected 12.*missing"):
        head_from_shards(paths[:3], 12)


def test_a_file_without_class_weights_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_gpu_0.pt"
    torch.save({"state_dict_softmax_fc": {"bias": torch.zeros(3)}}, path)
    with pytest.raises(EmbedgeError, match=r"E-HEAD-SHARDS.*checkpoint_gpu_0"):
        head_from_shards([path], 3)
