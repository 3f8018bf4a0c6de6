"""The one command on a data set of the user's."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from face_sets import encoded

from embedge.train.render import FaceRenderer

TINY = Path(__file__).parent / "tiny.yaml"
PEOPLE, EACH, HELD_OUT = 24, 5, 10


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


def distill(faces: Path, out: Path, *more: object) -> subprocess.CompletedProcess[str]:
    numbers = ("--data.held_out", HELD_OUT, "--data.held_out_per_identity", 4)
    workers = ("--student.train.workers", 2, "--data.licence", "ours")
    command = [
        *(sys.executable, "-m", "embedge", "distill-and-export", "--recipe", TINY, "--out", out),
        *("--data.source", faces, *numbers, *workers, *more),
    ]
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=500, check=False
    )


def test_a_folder_of_faces_becomes_a_bundle(faces: Path, tmp_path: Path) -> None:
    done = distill(faces, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "tiny.embedge" / "report.json").read_text())
    provenance = report["provenance"]
    assert provenance["data_licence"] == "ours"
    assert provenance["weight_licence"] is None
    stages = tmp_path / "run" / "stages"
    (learnt,) = stages.glob("faces-*/stage.json")
    (judged,) = stages.glob("held-out-*/stage.json")
    learnt, judged = (json.loads(path.read_text()) for path in (learnt, judged))
    assert learnt["facts"]["identities"] == PEOPLE - HELD_OUT
    assert judged["facts"]["identities"] == HELD_OUT
    assert judged["facts"]["images"] in (4 * HELD_OUT, 4 * HELD_OUT - 1)

    # the folder is not copied, and a second call finds that nothing changed
    assert not list(stages.glob("faces-*/images.npy"))
    again = distill(faces, tmp_path / "run")
    assert again.returncode == 0, again.stderr
    assert "reused" in again.stderr + again.stdout


def test_a_student_is_watched_on_strangers_and_on_verification_sets(
    faces: Path, tmp_path: Path
) -> None:
    rows = [(n % 4, f"person {n}/1.jpg", f"person {n + n % 2}/2.jpg", 1 - n % 2) for n in range(20)]
    listed = tmp_path / "mine.txt"
    listed.write_text("\n".join("\t".join(map(str, row)) for row in rows))
    given = ("--data.verification", f"[{listed}:{faces}]")

    never = distill(faces, tmp_path / "run", *given)
    assert never.returncode == 2
    assert "E-RECIPE-KEY" in never.stderr
    assert "evaluate_every" in never.stderr
    assert not list((tmp_path / "run").glob("stages/teacher*"))

    done = distill(faces, tmp_path / "run", *given, "--student.train.evaluate_every", 4, "--update")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "tiny.embedge" / "report.json").read_text())
    watched = {c["name"]: c for c in report["training"]["curves"] if "eer" in c["series"]}
    assert watched["th-kd"]["steps"] == watched["scratch"]["steps"] == [4, 6]
    sets = ["mine accuracy", "mine cross-space accuracy"]
    assert list(watched["th-kd"]["series"]) == ["cross-space eer", "eer", *sets]
    assert list(watched["scratch"]["series"]) == ["eer", "mine accuracy"]
    page = (tmp_path / "run" / "tiny.embedge" / "report.html").read_text()
    assert "mine cross-space accuracy" in page


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    done = distill(tmp_path / "none", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr.startswith("embedge: E-DATA-MISSING")
