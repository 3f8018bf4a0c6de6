"""Benchmarks of hours: what cannot work is told first, and figures are of their own call."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from benchmark import benchmark
from face_sets import encoded
from tiny_school import SCHEDULE

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.train.render import FaceRenderer
from embedge.train.teachers import SHIPPED


def people(root: Path, seed: int) -> Path:
    images = FaceRenderer(seed=seed).render(np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6))
    for row, image in enumerate(images.images):
        (root / f"p{row // 4}").mkdir(parents=True, exist_ok=True)
        (root / f"p{row // 4}" / f"{row % 4}.jpg").write_bytes(encoded(image))
    return root


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return people(tmp_path / "main", 1), people(tmp_path / "celebs", 2)


@pytest.fixture
def study(folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A call of the benchmark on few people; it answers what would be written."""
    module, written = benchmark("unlabelled"), dict[str, Any]()

    def recipe_of(options: Namespace) -> Any:
        train = {**SCHEDULE, "steps": int(options.minutes)}
        teacher = {"source": "file", "file": str(SHIPPED)}
        data = {"source": str(folders[0]), "held_out": 3}
        student = {"width": 0.125, "train": train}
        told = {"name": "tiny", "data": data, "teacher": teacher, "student": student}
        return Recipe.model_validate(told)

    def with_steps(folder: Path, recipe: Any, _: float) -> Any:
        (folder.parent / "students.steps.json").write_text("{}")
        return recipe

    monkeypatch.setattr(module, "recipe_of", recipe_of)
    monkeypatch.setattr(module, "with_steps", with_steps)
    monkeypatch.setattr(module, "table", lambda *_: "")
    monkeypatch.setattr(module, "write_result", lambda _, told: written.update(told))

    def call(*more: object, minutes: int = 2) -> dict[str, Any]:
        said = ["real", "--minutes", minutes, "--out", tmp_path / "out", *more]
        monkeypatch.setattr(sys, "argv", ["unlabelled.py", *map(str, said)])
        module.main()
        return written

    return call


def stages(tmp_path: Path) -> set[str]:
    return {path.name.split("-")[0] for path in (tmp_path / "out/students/stages").iterdir()}


def test_trainings_of_another_call_are_not_told(study: Any) -> None:
    assert len(study("--seeds", 2)["trainings"]) == 2
    found = study("--seeds", 1, minutes=3)["trainings"]
    assert [one["curve"]["step"][-1] for one in found] == [3]


def test_a_call_may_begin_at_a_later_seed(study: Any) -> None:
    told = study("--seeds", 1, "--first", 2)
    assert told["seeds"] == [2]
    assert told["provenance"]["command"].endswith("--seeds 1 --first 2 --held-out 590")
    assert told["recipe"]["data"]["source"] == "lfw-dev"


def test_other_people_are_looked_at_before_anything_is_trained(
    study: Any, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    main, celebs = folders
    with pytest.raises(EmbedgeError, match="E-DATA-SHARED"):
        study("--seeds", 1, "--judge", main)
    for file in list(celebs.rglob("*.jpg"))[:10]:
        file.write_bytes(b"")
    with pytest.raises(EmbedgeError, match=r"E-DATA-CORRUPT: \d+ of 20 records are corrupt"):
        study("--seeds", 1, "--judge", celebs)
    with pytest.raises(EmbedgeError, match="E-DATA-MISSING"):
        study("--seeds", 1, "--judge", tmp_path / "gone")
    with pytest.raises(SystemExit):
        study("--seeds", 1, "--judge", celebs, tmp_path / "more" / "celebs")
    assert stages(tmp_path) <= {"faces", "held"}


def test_their_broken_pictures_are_named(study: Any, folders: tuple[Path, Path]) -> None:
    for file in folders[1].glob("*/2.jpg"):
        file.write_bytes(b"")
    told = study("--seeds", 1, "--judge", folders[1])
    celebs = told["others"]["celebs"]
    assert len(celebs["failed"]) == 5
    assert celebs["teacher"]["genuine"] == 5 * 3
    assert len(celebs["students"]) == 1
    assert told["provenance"]["command"].endswith("--held-out 590 --judge celebs")
    json.dumps(celebs)


@pytest.fixture
def cifar(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = benchmark("cifar10")
    monkeypatch.setattr(module, "_paces", lambda _: (1e3, 1e4, 1e4))
    return module


def test_a_trial_says_nothing_of_the_epochs_of_the_real_call(
    cifar: ModuleType, tmp_path: Path
) -> None:
    options = Namespace(out=tmp_path, minutes=95, seeds=1, methods=["scratch"])
    trial, real = (cifar._epochs(options, pictures) for pictures in (500, 50_000))
    assert trial == pytest.approx(100 * real, abs=100)
    assert cifar._epochs(Namespace(**{**vars(options), "seeds": 3}), 50_000) < real


@pytest.mark.parametrize(
    "said",
    [
        ("--seeds", "0"),
        ("--methods", "foo"),
        ("--trial", "0"),
        ("--trial", "200"),
        ("--trial", "512", "--held-out", "512"),
    ],
)
def test_calls_that_could_learn_nothing_are_refused(
    cifar: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: tuple[str, ...]
) -> None:
    pictures = np.zeros((600, 32, 32, 3), np.uint8), np.zeros(600, np.int64)
    monkeypatch.setattr(cifar, "_pictures", lambda *_: pictures)
    monkeypatch.setattr(sys, "argv", ["cifar10.py", "real", "--out", str(tmp_path), *said])
    with pytest.raises(SystemExit) as ended:
        cifar.main()
    assert ended.value.code
