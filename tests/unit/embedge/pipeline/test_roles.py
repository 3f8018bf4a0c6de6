"""Asked of every command: nobody who chose sets a threshold, nobody who did either is judged."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from enrolled_people import FMR, enrolled_people
from orders import certificate_order, dossier_order
from PIL import Image
from small_face import smooth_pictures
from tiny_school import SCHEDULE, run_in, tiny_recipe
from two_spaces import people as known_people

from embedge.calibration.bridging import labelled
from embedge.calibration.compatibility import systems
from embedge.calibration.evaluation.judge import scores_of
from embedge.calibration.evaluation.subjects import pixel_digest
from embedge.calibration.pairs import pairs_within
from embedge.export.int8.calibration_set import chosen_from_folder, person_of
from embedge.files import sha256_file
from embedge.pipeline.compare.judging import Strangers
from embedge.pipeline.foreign.people import people_of
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Stage
from embedge.pipeline.stages.learn.checks import checks_of, roles_in
from embedge.pipeline.stages.learn.faces import faces_of, held_out_stage
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.ship import int8, proof
from embedge.progress import Progress
from embedge.report.certificate import certifying
from embedge.report.dossier import filing
from embedge.train.data import FaceSet

PEOPLE = 24
LABELS = np.repeat(np.arange(PEOPLE), 2)
_OWN = ("src/embedge/pipeline", "src/embedge/report", "src/embedge/cli", "src/embedge/bench")
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
    apart(
        *({person_of(name) for name in side} for side in (found.names, found.choose, found.spare))
    )


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enrolled_people(tmp_path_factory.mktemp("enrolled"))


def fingerprints(root: Path, people: set[int]) -> set[str]:
    """Of every picture of the people with these places in the folder."""
    folders = [one for n, one in enumerate(sorted(root.iterdir())) if n in people]
    return {sha256_file(path) for folder in folders for path in folder.iterdir()}


def test_bundle_of_a_foreign_network(enrolled: Path) -> None:
    found = people_of(enrolled / "faces", most=10_000, count=12, seed=0)
    faces, roles = found.faces, found.roles
    choose, threshold, judge = (
        {pixel_digest(faces.images[n]) for n in np.flatnonzero(mask)}
        for mask in (roles.choose, roles.threshold, roles.judge)
    )
    apart(choose, threshold, judge)
    assert {pixel_digest(one) for one in (*found.calibration, *found.confirming.images)} <= choose


def test_dossier(enrolled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    def scored(rows: Any, labels: Any, **more: Any) -> Any:
        seen.append(who(labels))
        return pairs_within(rows, labels, **more)

    monkeypatch.setattr(filing, "pairs_within", scored)
    asked = dossier_order(str(enrolled / "teacher.onnx"), enrolled / "faces", fmr=FMR)
    found = filing.filed(asked, "", Progress(quiet=True))
    (chose, judged), judge = seen, found.comparison.subjects
    assert (len(chose), len(judged)) == (found.operation.threshold.subjects, judge)
    apart(*(fingerprints(enrolled / "faces", some) for some in seen))


def test_certify(enrolled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each of four systems in turn: whose scores set its threshold, whose are judged by it."""
    seen: list[set[int]] = []

    def scored(gallery: Any, probe: Any, labels: Any) -> Any:
        seen.append(who(labels))
        return scores_of(gallery, probe, labels)

    monkeypatch.setattr(systems, "scores_of", scored)
    door, teacher = enrolled / "door.embedge", str(enrolled / "teacher.onnx")
    asked = certificate_order(
        door, enrolled / "faces", teacher, artifacts=["int8"], fmr=FMR, margin=0.5
    )
    found = certifying.certified(asked, "", Progress(quiet=True))
    assert len(seen) == 8
    for chose, judged in zip(seen[::2], seen[1::2]):
        assert (len(chose), len(judged)) == (
            found.faces.threshold_people,
            found.faces.judged_people,
        )
        apart(*(fingerprints(enrolled / "faces", some) for some in (chose, judged)))


def test_no_module_divides_people_that_is_not_asked_here() -> None:
    """A new one that calls the one splitter belongs among the tests above."""
    asked = {
        "src/embedge/pipeline/stages/learn/checks.py",  # distill, compare's watch
        "src/embedge/pipeline/compare/judging.py",
        "src/embedge/pipeline/foreign/people.py",  # bundle
        "src/embedge/report/certificate/certifying.py",
        "src/embedge/report/dossier/filing.py",
        "export/int8/calibration_set.py",  # quantize
        "calibration/bridging/labelled.py",
        "src/embedge/pipeline/dry_run/people.py",  # counts them only
    }
    root, calls = (
        Path(__file__).parents[4],
        re.compile(r"= (roles_of|people_by_role|split_subjects)\("),
    )
    rooms = ("calibration", "export", "runtime", "train", *_OWN)
    files = {path for room in rooms for path in (root / room).rglob("*.py")}
    splitting = {
        path.relative_to(root).as_posix()
        for path in files
        if calls.search(path.read_text().replace("return ", "= "))
    }
    assert splitting - {"calibration/people/splits.py"} == asked


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
