"""The one command on a data set of the user's."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from called import called, started
from face_sets import encoded

from embedge.train.render import FaceRenderer

TINY = Path(__file__).parent / "tiny.yaml"
PEOPLE, EACH, HELD_OUT = 40, 5, 24


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of people, one picture of them spoilt."""
    root = tmp_path_factory.mktemp("own") / "faces"
    people = np.repeat(np.arange(PEOPLE), EACH)
    images = FaceRenderer(seed=77).render(people, np.tile(np.arange(EACH), PEOPLE)).images
    for row, (person, image) in enumerate(zip(people, images)):
        path = root / f"person {person}" / f"{row % EACH}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(image))
    (root / "person 3" / "0.jpg").write_bytes(b"spoilt")
    return root


def distill(
    faces: Path, out: Path, *more: object, run: Callable[..., CompletedProcess[str]] = called
) -> CompletedProcess[str]:
    numbers = ("--data.held_out", HELD_OUT, "--data.held_out_per_identity", 4)
    workers = ("--student.train.workers", 2, "--data.licence", "ours")
    few = ("--export.precisions", "[fp32]", "--data.source", faces)
    words = ("--recipe", TINY, "--out", out, *numbers, *workers, *few, *more)
    return run("distill-and-export", *words)


@pytest.fixture(scope="module")
def watched(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """Options: look at the students on a list of pairs, beside the strangers."""
    rows = [
        (n // 2 % 4, f"person {n}/1.jpg", f"person {n + n % 2}/2.jpg", 1 - n % 2) for n in range(20)
    ]
    listed = tmp_path_factory.mktemp("lists") / "mine.txt"
    listed.write_text("\n".join("\t".join(map(str, row)) for row in rows))
    return ("--data.verification", f"[{listed}:{faces}]", "--student.train.evaluate_every", 4)


@pytest.fixture(scope="module")
def made(
    faces: Path, watched: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("made") / "run"
    done = distill(faces, out, *watched, run=started)
    assert done.returncode == 0, done.stderr
    return out


def test_a_folder_of_faces_becomes_a_bundle(
    faces: Path, watched: tuple[object, ...], made: Path
) -> None:
    report = json.loads((made / "tiny.embedge" / "report.json").read_text())
    provenance = report["provenance"]
    assert provenance["data_licence"] == "ours"
    assert provenance["weight_licence"] is None
    stages = made / "stages"
    (learnt,) = stages.glob("faces-*/stage.json")
    (judged,) = stages.glob("held-out-*/stage.json")
    learnt, judged = (json.loads(path.read_text()) for path in (learnt, judged))
    assert learnt["facts"]["identities"] == PEOPLE - HELD_OUT
    assert judged["facts"]["identities"] == HELD_OUT
    assert judged["facts"]["images"] in (4 * HELD_OUT, 4 * HELD_OUT - 1)

    # the folder is not copied, and a second call finds that nothing changed
    assert not list(stages.glob("faces-*/images.npy"))
    again = distill(faces, made, *watched)
    assert again.returncode == 0, again.stderr
    assert "reused" in again.stderr + again.stdout


def test_students_are_watched_on_strangers_and_on_verification_sets(made: Path) -> None:
    report = json.loads((made / "tiny.embedge" / "report.json").read_text())
    curves = {c["name"]: c for c in report["training"]["curves"] if "eer" in c["series"]}
    assert curves["th-kd"]["steps"] == curves["scratch"]["steps"] == [4, 6]
    sets = ["mine accuracy", "mine cross-space accuracy"]
    assert list(curves["th-kd"]["series"]) == ["cross-space eer", "eer", *sets]
    assert list(curves["scratch"]["series"]) == ["eer", "mine accuracy"]
    page = (made / "tiny.embedge" / "report.html").read_text()
    assert "mine cross-space accuracy" in page


def test_a_set_that_nobody_would_look_at_is_refused_before_any_work(
    faces: Path, watched: tuple[object, ...], tmp_path: Path
) -> None:
    done = distill(faces, tmp_path / "run", *watched[:2])
    assert done.returncode == 2
    assert "E-RECIPE-KEY" in done.stderr
    assert "evaluate_every" in done.stderr
    assert not list((tmp_path / "run").glob("stages/*"))


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    done = distill(tmp_path / "none", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr.startswith("embedge: E-DATA-MISSING")
