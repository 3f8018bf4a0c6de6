"""Pictures that nobody named, beside a few people who prove the result."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from called import called
from face_sets import encoded

from embedge.train.render import FaceRenderer

TINY = Path(__file__).parent / "tiny.yaml"
PEOPLE, LOOSE, COPIES = 36, 30, 4
NAMELESS = ("--data.labels", "none", "--data.alike", "0.999999")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of people, and one of pictures at different depths, some of them twice."""
    root = tmp_path_factory.mktemp("faces")
    people = np.repeat(np.arange(PEOPLE + LOOSE), 3)
    images = FaceRenderer(seed=78).render(people, np.tile(np.arange(3), PEOPLE + LOOSE)).images
    for row, image in enumerate(images[: 3 * PEOPLE]):
        _write(root / "people" / f"person {row // 3}" / f"{row % 3}.jpg", image)
    for row, image in enumerate(images[3 * PEOPLE :: 3]):
        _write(root / "loose" / ("deep" if row % 2 else ".") / f"{row}.png", image)
        if row < COPIES:
            _write(root / "loose" / "copies" / f"{row}.png", image)
    return root / "people", root / "loose"


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(image))


def distill(faces: tuple[Path, Path], out: Path, *more: str) -> CompletedProcess[str]:
    people, loose = faces
    return called(
        *("distill-and-export", "--recipe", TINY),
        *("--out", str(out), "--data.source", str(people), "--data.extra", f"[{loose}]"),
        *("--data.held_out", "24", "--teacher.source", "shipped"),
        *("--distill.baseline", "false", "--export.precisions", "[fp32]", *more),
    )


@pytest.mark.parametrize("method", ["th-kd", "proxyless", "l2e"])
def test_they_become_a_bundle(faces: tuple[Path, Path], tmp_path: Path, method: str) -> None:
    more = ("--distill.a", "1") if method == "th-kd" else ()
    done = distill(faces, tmp_path / "run", *NAMELESS, "--distill.method", method, *more)
    assert done.returncode == 0, done.stderr
    (head,) = (tmp_path / "run" / "stages").glob("head-*/stage.json")
    facts = json.loads(head.read_text())["facts"]
    learnt = 3 * (PEOPLE - 24) + LOOSE
    assert facts["classes"] == learnt
    assert f"{learnt + COPIES} pictures without names in {learnt} classes" in facts["recovered"]
    assert f"{COPIES} are like another one" in facts["recovered"]
    report = json.loads((tmp_path / "run" / "tiny.embedge" / "report.json").read_text())
    assert "without names" in json.dumps(report)


def test_they_are_foreseen(faces: tuple[Path, Path], tmp_path: Path) -> None:
    done = distill(faces, tmp_path / "run", *NAMELESS, "--dry-run")
    assert done.returncode == 0, done.stderr
    pictures = 3 * (PEOPLE - 24) + LOOSE + COPIES
    assert f"{pictures} pictures of " in done.stdout
    assert "nothing was written" in done.stdout


def test_sh_kd_wants_names(faces: tuple[Path, Path], tmp_path: Path) -> None:
    done = distill(faces, tmp_path / "run", *NAMELESS, "--distill.method", "sh-kd")
    assert done.returncode == 2
    assert "E-RECIPE-KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_names_such_a_folder_is_refused(faces: tuple[Path, Path], tmp_path: Path) -> None:
    flat = (faces[0], faces[1] / "copies")
    done = distill(flat, tmp_path / "run", "--data.labels", "people")
    assert done.returncode == 2
    assert "E-DATA-EMPTY" in done.stderr
