"""Ranks that each hold some classes compute what one rank with all of them computes."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from embedge.errors import EmbedgeError
from embedge.train.head import head_kl, margin_ce, shard_range
from embedge.train.head.margins import Margin, QualityMargin

SCRIPT = Path(__file__).parent / "gloo_cases.py"
CLASSES, BATCH, DIM = 23, 12, 16  # 23 classes divide neither by 2 nor by 3


def problem() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(4)
    weight = F.normalize(torch.randn(CLASSES, DIM, generator=draw))
    labels = torch.randint(CLASSES, (BATCH,), generator=draw)
    labels[-1] = labels[0]  # one class, samples of two ranks
    labels[1] = labels[0]  # one class, samples of one rank
    embeddings = 2 * weight[labels] + torch.randn(BATCH, DIM, generator=draw)
    return {
        "weight": weight,
        "raw": weight * torch.linspace(0.5, 3, CLASSES)[:, None],
        "labels": labels,
        "embeddings": embeddings,
        "teacher": embeddings + torch.randn(BATCH, DIM, generator=draw),
        "quality": torch.linspace(-1, 1, BATCH),
    }


def whole(given: dict[str, torch.Tensor]) -> dict[str, tuple[torch.Tensor, ...]]:
    labels, weight, margin = given["labels"], given["weight"], Margin(m2=0.5)
    result = {}

    def run(name, loss_of, *leaves):
        leaves = [leaf.detach().clone().double().requires_grad_() for leaf in leaves]
        loss = loss_of(*leaves)
        result[name] = (loss.detach(), *torch.autograd.grad(loss.mean(), leaves))

    z, exact = given["embeddings"], weight.double()
    quality = QualityMargin(given["quality"], Margin(quality=0.4))
    run("frozen", lambda z: margin_ce(z, exact, labels, margin), z)
    run("quality", lambda z: margin_ce(z, exact, labels, quality), z)
    teacher = given["teacher"].double()
    run("kl", lambda z: head_kl(z, teacher, exact, scale=64.0, temperature=1.0), z)
    run("trainable", lambda z, w: margin_ce(z, w, labels, margin), z, given["raw"])
    result["blocks"] = result["frozen"]
    return result


@pytest.fixture(scope="module", params=[2, 3])
def ranks(request, tmp_path_factory):
    """Each rank's result, computed by that many processes over gloo."""
    folder = tmp_path_factory.mktemp(f"gloo{request.param}")
    torch.save(problem(), folder / "problem.pt")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), str(request.param), str(folder)],
        env=dict(os.environ, OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    names = (folder / f"result-{request.param}-{rank}.pt" for rank in range(request.param))
    return [torch.load(name, weights_only=True) for name in names]


@pytest.mark.parametrize("case", ["frozen", "blocks", "quality", "kl", "trainable"])
def test_ranks_together_equal_one_rank_in_float64(ranks, case):
    losses, gradient, *weights = whole(problem())[case]
    got = torch.cat([result[case][0] for result in ranks])
    torch.testing.assert_close(got.double(), losses, rtol=1e-5, atol=2e-5)
    # each rank takes the mean over its own samples, a world-th of the batch
    got = torch.cat([result[case][1] for result in ranks]).double() / len(ranks)
    assert ((got - gradient).norm() / gradient.norm()).item() < 1e-5
    if weights:
        of_weight = torch.cat([result[case][2] for result in ranks]).double()
        assert ((of_weight - weights[0]).norm() / weights[0].norm()).item() < 1e-5


def test_ranges_are_uneven_and_complete(ranks):
    ranges = [result["range"] for result in ranks]
    assert [low for low, _ in ranges[1:]] == [high for _, high in ranges[:-1]]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == CLASSES
    assert len({high - low for low, high in ranges}) == 2


@pytest.mark.parametrize("classes", [1, 7, 23, 93431])
@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_every_class_has_one_owner_at_any_world_size(classes, world):
    ranges = [shard_range(classes, rank, world) for rank in range(world)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == classes
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))
    sizes = [high - low for low, high in ranges]
    assert max(sizes) - min(sizes) <= 1


def test_a_rank_outside_the_world_is_refused():
    with pytest.raises(EmbedgeError, match="E-HEAD-RANK"):
        shard_range(10, 3, 3)
