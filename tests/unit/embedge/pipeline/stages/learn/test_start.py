from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_school import run_in, tiny_recipe
from torch.nn.functional import cosine_similarity

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.learn.shaping import school_of
from embedge.pipeline.stages.learn.start import begun, start_stage
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.train.data.feeding.batches import pixels
from embedge.train.models import mobilefacenet
from embedge.train.seeds import seeded


def test_most_students_begin_at_random(run: Run, recipe: Recipe, school: School) -> None:
    assert start_stage(run, recipe, school, 8) is None
    network = mobilefacenet(8, scale=1, width=0.125)
    assert begun(network, None) is network


def test_a_narrow_student_cannot_begin_as_a_slice(run: Run, school: School) -> None:
    recipe = tiny_recipe(student__start="teacher")
    with pytest.raises(EmbedgeError, match=r"E-START.*student\.width is 0\.125"):
        start_stage(run, recipe, school, 8)


def test_a_slice_of_the_same_network_speaks_like_it(tmp_path: Path) -> None:
    with seeded(2):
        torch.save(mobilefacenet(8, scale=1).state_dict(), tmp_path / "model.pt")
    recipe = tiny_recipe(
        teacher__source="file",
        teacher__file=str(tmp_path / "model.pt"),
        student__start="teacher",
        student__width=1,
    )
    run = run_in(tmp_path / "run")
    school, _ = school_of(run, recipe)
    stage = start_stage(run, recipe, school, 8)
    assert stage is not None
    student = begun(mobilefacenet(8, scale=1), stage).eval()
    images = np.asarray(faces_of(school.faces).images)
    with torch.inference_mode():
        mine = student(pixels(images))
    theirs = torch.from_numpy(teacher_of(school.teacher).features(images))
    assert float(cosine_similarity(mine, theirs).mean()) > 0.9
    with pytest.raises(EmbedgeError, match=r"student\.dim is 4 but the teacher's embeddings"):
        start_stage(run, recipe, school, 4)
