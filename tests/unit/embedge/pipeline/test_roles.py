"""Asked of every command: nobody who chose sets a threshold, nobody who did either is judged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_face import smooth_pictures
from tiny_school import SCHEDULE, run_in, tiny_recipe
from two_spaces import people as known_people

from embedge.calibration.bridging import labelled
from embedge.export.int8.calibration_set import chosen_from_folder, person_of
from embedge.pipeline.compare.judging import Strangers
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Stage
from embedge.pipeline.stages.learn.checks import checks_of, roles_in
from embedge.pipeline.stages.learn.faces import faces_of, held_out_stage
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.ship import int8, proof
from embedge.train.data import FaceSet

PEOPLE = 24
LABELS = np.repeat(np.arange(PEOPLE), 2)
WATCHED = {"student__train": {**SCHEDULE, "evaluate_every": 1}}


@pytest.fixture
def held_out(tmp_path: Path) -> Stage:
    images = smooth_pictures(len(LABELS))
    names = tuple(f"p{n}" for n in range(PEOPLE))
    FaceSet("strangers", images, LABELS, names, "f" * 64).save(tmp_path / "held-out")
    return Stage("held-out", "h", tmp_path / "held-out", {})


def who(labels: Any) -> set[Any]:
    return set(np.unique(labels).tolist())


def apart(*sides: set[Any]) -> None:
    assert all(sides)
    assert sum(map(len, sides)) == len(set().union(*sides))


@pytest.mark.parametrize(
    "given",
    [
        WATCHED,
        {"int8__budget": 1.0},
        {**WATCHED, "int8__budget": 1.0},
    ],
)
def test_distill_and_export(given: dict[str, Any], held_out: Stage, tmp_path: Path) -> None:
    recipe, faces = tiny_recipe(**given), FaceSet.load(held_out.folder)
    choosing = set[int]()
    if "student__train" in given:
        school = School(held_out, held_out, held_out)
        watch = checks_of(run_in(tmp_path), recipe, school, held_out, (), shares=False)
        assert watch
        choosing |= who(watch.faces.labels)
    if "int8__budget" in given:
        budget = int8._budget(recipe, held_out)
        assert budget
        choosing |= who(budget.labels)
    apart(choosing, *_set_and_judged(recipe, faces))


def _set_and_judged(recipe: Recipe, faces: FaceSet) -> tuple[set[int], set[int]]:
    roles = proof.roles_in(faces, recipe)
    return who(faces.labels[roles.threshold]), who(faces.labels[roles.judge])


def test_people_learnt_from_are_no_strangers(tmp_path: Path) -> None:
    """Those who show the quantiser what activations look like are among them."""
    root = tmp_path / "people"
    for number, image in enumerate(smooth_pictures(40)):
        (root / f"p{number // 4}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / f"p{number // 4}" / f"{number}.png")
    recipe = tiny_recipe(**WATCHED, data__source=str(root), data__held_out=4)
    run = run_in(tmp_path / "run")
    from embedge.pipeline.stages.learn.faces import train_faces_stage

    learn, out = faces_of(train_faces_stage(run, recipe)), faces_of(held_out_stage(run, recipe))
    roles = roles_in(out, recipe)
    sides = (np.array(out.identities)[out.labels[mask]] for mask in
             (roles.choose, roles.threshold, roles.judge))  # fmt: skip
    apart(set(learn.identities), *map(who, sides))


def test_compare(held_out: Stage, tmp_path: Path) -> None:
    recipe, run = tiny_recipe(**WATCHED), run_in(tmp_path)
    watch = checks_of(run, recipe, School(*[held_out] * 3), held_out, (), shares=False)
    assert watch
    apart(who(watch.faces.labels), who(Strangers(run, recipe, held_out, checked=True).labels()))


def test_quantize_with_a_budget(tmp_path: Path) -> None:
    for number, image in enumerate(smooth_pictures(40)):
        (tmp_path / f"p{number // 4}").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"p{number // 4}" / f"{number}.png")
    found = chosen_from_folder(tmp_path, 8)
    apart(*({person_of(name) for name in side} for side in (found.names, found.plan, found.spare)))


def test_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, set[int]] = {}
    real = labelled.calibrated, labelled._on_others

    def calibrated(rows: Any, people: Any, chosen: Any, *rest: Any, **more: Any) -> Any:
        seen["threshold"] = who(people.labels[chosen])
        return real[0](rows, people, chosen, *rest, **more)

    def judged(rows: Any, people: Any, *rest: Any) -> Any:
        seen["judge"] = who(people.labels)
        return real[1](rows, people, *rest)

    monkeypatch.setattr(labelled, "calibrated", calibrated)
    monkeypatch.setattr(labelled, "_on_others", judged)
    old, new, labels = known_people(20)

    class Same:
        apply = staticmethod(lambda rows: new)

    people = labelled.People(old, new, np.asarray(labels))
    labelled.labelled_evidence(Same(), people, [0.1], fmr=0.1, dataset="d")  # type: ignore[arg-type]
    apart(seen["threshold"], seen["judge"])
