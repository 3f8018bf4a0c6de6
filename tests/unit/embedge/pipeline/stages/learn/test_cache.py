from pathlib import Path

import numpy as np
import pytest

from embedge.pipeline.dry_run.rehearsal import Rehearsal
from embedge.pipeline.run import Run
from embedge.pipeline.stages.learn.cache import cache_stage, cached
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.progress import Progress
from embedge.train.teachers.teacher import Placement


@pytest.mark.parametrize("flip", [False, True])
def test_it_holds_what_the_teacher_answers(run: Run, school: School, flip: bool) -> None:
    found = cached(cache_stage(run, school.faces, school.teacher, Placement(), dim=8, flip=flip))
    teacher, images = teacher_of(school.teacher), np.asarray(faces_of(school.faces).images)
    assert np.array_equal(found.plain, teacher.features(images).astype(np.float16))
    assert (found.flipped is not None) == flip
    if found.flipped is not None:
        mirrored = teacher.features(images[:, :, ::-1]).astype(np.float16)
        assert np.array_equal(found.flipped, mirrored)


def test_a_rehearsal_has_zeros_of_its_size_and_knows_how_many_it_would_ask(
    tmp_path: Path, school: School
) -> None:
    run = Rehearsal(tmp_path / "run", Progress(quiet=True), scratch=tmp_path / "scratch")
    stage = cache_stage(run, school.faces, school.teacher, Placement(), dim=8, flip=True)
    found = cached(stage)
    assert found.plain.shape == (20, 8)
    assert not np.any(found.plain)
    assert run.foreseen[stage.key].declared.asks() == 40
