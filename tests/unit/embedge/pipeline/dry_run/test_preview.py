import re
from pathlib import Path

import pytest
from tiny_school import run_in, tiny_recipe

from embedge.errors import EmbedgeError
from embedge.pipeline.chain import every_stage
from embedge.pipeline.dry_run import preview
from embedge.pipeline.dry_run.preview import preview_of
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage, Training, open_run
from embedge.pipeline.stages.learn.teacher import TeacherFacts
from embedge.progress import Progress
from embedge.train.loop.schedule import Schedule
from embedge.train.teachers import TorchTeacher
from embedge.train.teachers.teacher import Placement


def with_another(run: Run, recipe: Recipe) -> dict[str, Stage]:
    """The chain, and a training that the dry run has never heard of."""
    stages = every_stage(run, recipe)

    def trial(folder: Path, schedule: Schedule) -> None:
        with run.progress.table("polished", schedule.steps) as task:
            for _ in range(schedule.steps):
                task.advance()

    training = Training(Schedule(steps=90_000, batch=3), trial)
    run.stage("polished", {}, [stages["student"]], lambda _: None, training=training)
    return stages


def test_a_new_stage_is_foreseen_without_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "every_stage", with_another)
    recipe = tiny_recipe(distill__method="proxyless", distill__baseline=False)
    text = preview_of(tmp_path / "run", recipe, update=False)
    assert not (tmp_path / "run").exists()
    assert "20 pictures of 5 people to learn from, 4 others to be judged on" in text
    assert "teacher   to be trained: " in text
    assert re.search(r"polished 0\.00 s for 3 faces", text)
    assert re.search(r"^  polished +do +about 30 s$", text, re.MULTILINE)
    lines = text.partition("\nstages\n")[2].splitlines()[:-1]
    names = [line.split()[0] for line in lines]
    assert names[:4] == ["faces", "teacher", "head", "student-proxyless"]
    assert text.endswith("nothing was written")


def test_the_teacher_is_timed_where_it_will_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, asked = TorchTeacher.placed, []

    def noted(self: TorchTeacher, where: Placement) -> TorchTeacher:
        asked.append(where)
        return placed(self, where)

    monkeypatch.setattr(TorchTeacher, "placed", noted)
    recipe = tiny_recipe(
        distill__method="proxyless", distill__baseline=False, teacher__amp="bf16", teacher__batch=7
    )
    preview_of(tmp_path / "run", recipe, update=False)
    assert asked == [Placement("cpu", "bf16", 7)]


def test_people_to_learn_from_may_have_one_picture_each(tmp_path: Path) -> None:
    recipe = tiny_recipe(data__per_identity=1, distill__method="proxyless", distill__baseline=False)
    text = preview_of(tmp_path / "run", recipe, update=False)
    assert "5 pictures of 5 people to learn from" in text
    recipe = tiny_recipe(data__held_out_per_identity=1)
    with pytest.raises(EmbedgeError, match="E-SUBJECTS"):
        preview_of(tmp_path / "run", recipe, update=False)


def test_a_folder_of_another_recipe_is_refused(tmp_path: Path) -> None:
    quiet = Progress(quiet=True)
    with open_run(tmp_path / "run", tiny_recipe().to_json(), quiet, update=False):
        pass
    with pytest.raises(EmbedgeError, match=r"E-RUN-OTHER.*distill\.a"):
        preview_of(tmp_path / "run", tiny_recipe(distill__a=0.5), update=False)


def test_facts_are_read_as_what_the_work_returned(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    facts = TeacherFacts(preprocessing="rgb-scaled", confirmed={"rgb-scaled": 0.1})
    for _ in range(2):  # worked, then reused
        assert run.stage("teacher", {}, [], lambda _: facts).read(TeacherFacts) == facts
