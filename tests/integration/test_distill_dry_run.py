"""`--dry-run` tells what would happen and leaves nothing behind."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from called import called, started

TINY = Path(__file__).parent / "tiny.yaml"


def distill(*arguments: object, **variables: Any) -> CompletedProcess[str]:
    """In a process of its own where it gets its own variables."""
    run = started if variables else called
    return run("distill-and-export", "--recipe", TINY, *arguments, **variables)


def states(text: str) -> dict[str, str]:
    rows = text.partition("\nstages\n")[2].partition("\ntrainings")[0].splitlines()
    return {row.split()[0]: row.split()[1] for row in rows}


@pytest.fixture(scope="module")
def preview(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("dry")
    temporary = folder / "tmp"
    temporary.mkdir()
    out = folder / "out"
    done = distill("--out", out, "--dry-run", "--show-recipe", TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert not out.exists()
    assert not list(temporary.glob("embedge*"))
    return done.stdout


def test_the_resolved_recipe_is_all_there(preview: str) -> None:
    recipe = yaml.safe_load(preview.partition("\nrecipe\n")[2])
    assert recipe["student"]["train"]["steps"] == 6
    assert recipe["distill"]["method"] == "th-kd", "defaults are spelt out"


def test_data_teacher_and_a_step_are_looked_at(preview: str) -> None:
    assert "96 pictures of 12 people to learn from, 24 others to be judged on" in preview
    assert re.search(r"teacher   to be trained: .* 32-d, \d+ faces/s", preview)
    for trained in ("teacher", "student-th-kd", "student-scratch"):
        assert re.search(rf"step      .*{trained} \d+\.\d\d s for 16 faces", preview)
    assert "nothing was written" in preview


def test_stages_are_foreseen_by_the_names_and_keys_they_get(tmp_path: Path, preview: str) -> None:
    out = tmp_path / "run"
    done = distill("--out", out, "--quiet")
    assert done.returncode == 0, done.stderr
    real = {path.parent.name.rpartition("-")[0] for path in out.glob("stages/*/stage.json")}
    assert states(preview) == dict.fromkeys(real, "do")
    before = sorted(str(path) for path in out.rglob("*"))

    again = distill("--out", out, "--dry-run")
    assert states(again.stdout) == dict.fromkeys(real, "reuse")
    assert "nothing is left to train" in again.stdout
    changed = distill("--out", out, "--dry-run", "--update", "--distill.beta", "7")
    assert changed.returncode == 0, changed.stderr
    found = states(changed.stdout)
    assert next(name for name in found if found[name] == "do") == "student-th-kd"
    assert {found[name] for name in ("faces", "teacher", "head", "student-scratch")} == {"reuse"}
    assert sorted(str(path) for path in out.rglob("*")) == before

    other = distill("--out", out, "--dry-run", "--seed", "5")
    assert other.returncode == 2
    assert "E-RUN-OTHER" in other.stderr


def test_a_teacher_that_is_there_is_tested_on_the_faces(tmp_path: Path) -> None:
    shipped = ("--teacher.source", "shipped", "--method", "sh-kd")
    done = distill("--out", tmp_path / "run", "--dry-run", *shipped)
    assert done.returncode == 0, done.stderr
    found = re.search(
        r"teacher   torch, .*256-d.* of the faces: equal error rate (.*)%", done.stdout
    )
    assert found is not None, done.stdout
    assert float(found[1]) < 15
    assert list(states(done.stdout))[:3] == ["faces", "teacher", "head"]
    assert {"student-scratch", "teacher-shaped", "head-shaped"} <= set(states(done.stdout))
    assert json.dumps(list(tmp_path.iterdir())) == "[]"
