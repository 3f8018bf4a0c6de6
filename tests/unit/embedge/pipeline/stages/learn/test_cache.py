from pathlib import Path

import numpy as np
import pytest
from tiny_school import run_in

from embedge.errors import EmbedgeError
from embedge.pipeline.dry_run.rehearsal import Rehearsal
from embedge.pipeline.run import Run
from embedge.pipeline.stages.learn.cache import cache_stage, cached
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.progress import Progress
from embedge.train.teachers import TorchTeacher
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


def test_some_rows_may_be_zeros_where_they_are_left_out_and_nowhere_else(
    tmp_path: Path, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, blank = TorchTeacher.features, [0, 7]

    def with_zeros(self: TorchTeacher, images: np.ndarray) -> np.ndarray:
        rows = features(self, images)
        rows[blank] = 0
        return rows

    monkeypatch.setattr(TorchTeacher, "features", with_zeros)
    given = (run_in(tmp_path), school.faces, school.teacher, Placement())
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-ANSWER.*to 2 of 20 pictures"):
        cache_stage(*given, dim=8, flip=False)
    stage = cache_stage(*given, dim=8, flip=False, zeros=True)
    assert np.flatnonzero(~cached(stage).plain.any(1)).tolist() == blank
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-ANSWER.*to 2 pictures"):
        cache_stage(*given, dim=8, flip=False)
    blank[:] = range(11)
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-ANSWER.*to 11 of 20 pictures"):
        cache_stage(*given, dim=8, flip=True, zeros=True)
