"""Real faces whose labels were tampered with: every fault is found and told."""

import json
import random
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import helper
from PIL import Image

from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import METADATA_KEY

pytestmark = pytest.mark.real

PEOPLE, EACH = 50, 3


@pytest.fixture
def faces(real: Path, tmp_path: Path) -> Path:
    """Some people with three pictures, linked, so that a test may change its own copy."""
    folder = tmp_path / "faces"
    rich = [p for p in sorted((real / "lfw-dev").iterdir()) if len(list(p.iterdir())) >= EACH]
    for person in rich[:: len(rich) // PEOPLE][:PEOPLE]:
        (folder / person.name).mkdir(parents=True)
        for picture in sorted(person.iterdir())[:EACH]:
            (folder / person.name / picture.name).symlink_to(picture)
    return folder


def stating(model: Path, folder: Path) -> Path:
    """The network with its contract: labels that are wrong confirm nobody's word of its feeding."""
    told, contract = onnx.load(model), EmbeddingContract("a space", model.stem, 128)
    helper.set_model_props(told, {METADATA_KEY: json.dumps(contract.to_json())})
    onnx.save(told, folder / model.name)
    return folder / model.name


def evaluated(real: Path, faces: Path, *arguments: str) -> tuple[int, dict[str, str]]:
    """The exit status, and of every finding its code and severity."""
    model = str(stating(real / "models" / "insightface_y1.onnx", faces.parent))
    options = ["--models", model, "--root", str(faces), "--json", "--threads", "1", *arguments]
    cache = ["--cache", str(faces.parent / "cache")]
    done = subprocess.run(
        [sys.executable, "-m", "embedge", "evaluate", *options, *cache],
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)
    findings = found["data"]["findings"] + found["models"][0]["result"]["findings"]
    told = {finding["code"]: finding["severity"] for finding in findings}
    return done.returncode, told


def people(faces: Path) -> list[Path]:
    return sorted(faces.iterdir())


def test_untouched_faces_have_no_fault(real: Path, faces: Path) -> None:
    assert evaluated(real, faces, "--all-pairs") == (0, {})


def test_shuffled_labels(real: Path, faces: Path) -> None:
    pictures = sorted(faces.glob("*/*"))
    owners = [path.resolve() for path in pictures]
    random.Random(0).shuffle(owners)
    for picture, owner in zip(pictures, owners):
        picture.unlink()
        picture.symlink_to(owner)
    status, found = evaluated(real, faces, "--all-pairs")
    assert (status, found.get("shuffled-labels")) == (3, "error")


def test_one_person_filed_twice_even_when_the_files_differ(real: Path, faces: Path) -> None:
    twice = faces / "Somebody_Else"
    twice.mkdir()
    for picture in people(faces)[7].iterdir():
        with Image.open(picture) as image:
            image.save(twice / picture.name, quality=80)
    assert evaluated(real, faces, "--all-pairs")[1].get("duplicate-subject") == "warning"


def test_the_same_files_under_two_people(real: Path, faces: Path) -> None:
    (faces / "Somebody_Else").symlink_to(people(faces)[7])
    status, found = evaluated(real, faces, "--all-pairs")
    assert (status, found.get("duplicate-picture")) == (3, "error")


def test_people_trained_on(real: Path, faces: Path, tmp_path: Path) -> None:
    trained = tmp_path / "trained.txt"
    trained.write_text("Nobody_Here\n" + people(faces)[3].name + "\n")
    status, found = evaluated(real, faces, "--all-pairs", "--trained-on", str(trained))
    assert (status, found) == (3, {"leaking-split": "error"})


def test_people_in_two_folds_of_a_list(real: Path, faces: Path, tmp_path: Path) -> None:
    lines = []
    for number, person in enumerate(people(faces)):
        one, two, three = (f"{person.name}/{path.name}" for path in sorted(person.iterdir()))
        other = people(faces)[number - 1 if number % 5 else (number + 4) % PEOPLE]
        lines.append(f"{number // 5}\t{one}\t{two}\t1")
        lines.append(f"{number // 5}\t{three}\t{other.name}/{sorted(other.iterdir())[0].name}\t0")
    whole, leaking = tmp_path / "whole.tsv", tmp_path / "leaking.tsv"
    whole.write_text("\n".join(lines))
    assert evaluated(real, faces, "--pairs", str(whole)) == (0, {})
    leaking.write_text(
        "\n".join(["9" + line[line.index("\t") :] for line in lines[:1]] + lines[1:])
    )
    assert evaluated(real, faces, "--pairs", str(leaking)) == (3, {"leaking-folds": "error"})
