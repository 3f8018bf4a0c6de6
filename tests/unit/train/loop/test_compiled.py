"""`train.compile`: the network is one graph, and learns what it learns without."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from plain_torch import switched_off
from torch import nn

from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batches
from embedge.train.head.margins import Margin
from embedge.train.loop import training
from embedge.train.loop.schedule import Schedule
from embedge.train.methods import Ingredients, method_named
from embedge.train.models.compiling import Compiled
from embedge.train.models.iresnet import iresnet
from embedge.train.models.mobilefacenet import mobilefacenet
from embedge.train.seeds import seeded

PLAIN = Schedule(steps=2, batch=4, optimizer="sgd", lr=1e-3, warmup=0, fp32_tail=True, jitter=False)
NETWORKS = {
    "student": lambda: mobilefacenet(16, scale=1, width=0.125),
    "teacher": lambda: iresnet(18, 16, channels=(16, 16, 16, 16)),
}


def learnt(
    folder: Path, schedule: Any, network: str, progress: Progress | None = None
) -> dict[str, torch.Tensor]:
    images = np.random.default_rng(0).integers(0, 256, (8, 112, 112, 3)).astype(np.uint8)
    faces = FaceSet("patches", images, np.arange(8) % 4, tuple("abcd"), "f")
    with seeded(1):
        made = NETWORKS[network]()
        method = method_named("scratch", Ingredients.without_teacher(4, 16, Margin(m2=0.2)))
    with switched_off():
        source = Batches(faces, 4, 5, jitter=False)
        training.fit(
            *("s", made, method, source, schedule),
            folder=folder,
            progress=progress or Progress(quiet=True),
        )
    return made.state_dict()


@pytest.mark.parametrize(
    ("network", "amp", "near"),
    [
        ("student", "fp32", 1e-4),
        pytest.param("teacher", "bf16", 0.03, marks=pytest.mark.slow),
    ],
)
def test_one_graph_that_learns_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, amp: str, near: float
) -> None:
    """Traced and differentiated ahead as for a GPU; nothing is generated. No break is allowed."""
    as_asked = PLAIN.model_copy(update={"amp": amp})
    plain = learnt(tmp_path / "plain", as_asked, network)
    whole = functools.partial(torch.compile, backend="aot_eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", whole)
    ahead = learnt(tmp_path / "ahead", as_asked.model_copy(update={"compile": True}), network)
    assert plain.keys() == ahead.keys()
    for name, value in plain.items():
        torch.testing.assert_close(ahead[name], value, rtol=near, atol=near, msg=name)


def test_where_it_fails_the_training_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
        def compiling(images: torch.Tensor) -> NoReturn:
            raise RuntimeError("no C++ compiler is here\nand more of it")

        return compiling

    monkeypatch.setattr(torch, "compile", refused)
    plain = learnt(tmp_path / "plain", PLAIN, "student")
    asked = PLAIN.model_copy(update={"compile": True})
    without = learnt(tmp_path / "asked", asked, "student", Progress())
    assert all(torch.equal(without[name], plain[name]) for name in plain)
    told = "torch.compile fails here (no C++ compiler is here): the training goes on without"
    assert capsys.readouterr().err.count(told) == 1


def test_what_the_network_itself_does_wrong_is_no_fault_of_the_compiler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Wrong(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> NoReturn:
            raise ValueError("the network's own")

    monkeypatch.setattr(torch, "compile", lambda network: network)
    said: list[str] = []
    with pytest.raises(ValueError, match="the network's own"):
        Compiled(Wrong(), said.append)(torch.zeros(1))
    assert said == []
