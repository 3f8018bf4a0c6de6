"""Which classifier a run borrows from a teacher that came with one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from face_sets import PEOPLE, face_folder
from torch import nn

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Data, Recipe, Teacher
from embedge.pipeline.run import Run
from embedge.pipeline.stages.learn.faces import faces_of, train_faces_stage
from embedge.pipeline.stages.learn.head import head_of, head_stage
from embedge.pipeline.stages.learn.teacher import teacher_stage
from embedge.progress import Progress
from embedge.train.models import mobilefacenet
from embedge.train.seeds import seeded
from embedge.train.teachers import TorchTeacher

DIM = 16


def shards_of(folder: Path, sizes: tuple[int, ...]) -> tuple[torch.Tensor, list[str]]:
    folder.mkdir()
    with seeded(3):
        head = nn.functional.normalize(torch.randn(sum(sizes), DIM))
    paths = [folder / f"checkpoint_gpu_{rank}.pt" for rank in range(len(sizes))]
    for path, rows in zip(paths, head.split(sizes)):
        torch.save({"state_dict_softmax_fc": {"weight": rows.clone()}}, path)
    return head, [str(path) for path in paths]


def run_and_recipe(tmp_path: Path, sizes: tuple[int, ...]) -> tuple[Run, Recipe, torch.Tensor]:
    with seeded(2):
        network = mobilefacenet(DIM, scale=1)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    head, paths = shards_of(tmp_path / "shards", sizes)
    recipe = Recipe(
        name="shards",
        data=Data(source=str(face_folder(tmp_path / "faces")), held_out=2),
        teacher=Teacher(source="file", file=str(tmp_path / "model.pt"), head_shards=tuple(paths)),
    )
    return Run(tmp_path / "run", Progress(quiet=True)), recipe, head


def test_shards_of_the_whole_data_set_serve_those_who_are_learnt_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The classifier knows the held-out people too: their rows are left out, by label."""
    run, recipe, head = run_and_recipe(tmp_path, (3, PEOPLE - 3))
    faces = train_faces_stage(run, recipe)
    learnt = [int(name.removeprefix("p")) for name in faces_of(faces).identities]
    assert len(learnt) == PEOPLE - 2
    wanted = head[learnt].half().float()

    def features(
        _: object, images: np.ndarray
    ) -> np.ndarray:  # a teacher that knows everyone, whose level tells them apart
        levels = torch.from_numpy(images.mean((1, 2, 3)))
        return head[((levels - 15) / 40).round().long().clamp(0, PEOPLE - 1)].numpy()

    monkeypatch.setattr(TorchTeacher, "features", features)
    found = head_of(head_stage(run, recipe, faces, teacher_stage(run, recipe, faces)))
    torch.testing.assert_close(found, nn.functional.normalize(wanted))


def test_shards_that_do_not_add_up_are_refused_and_explained(tmp_path: Path) -> None:
    run, recipe, _ = run_and_recipe(tmp_path, (2, 2))
    faces = train_faces_stage(run, recipe)
    with pytest.raises(
        EmbedgeError, match=r"E-HEAD-SHARDS.*2 \+ 2 = 4 classes, expected 5"
    ) as caught:
        teacher_stage(run, recipe, faces)
    assert "centres are then recovered" in caught.value.remedy.replace("\n", " ")
