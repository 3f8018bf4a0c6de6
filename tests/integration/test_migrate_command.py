"""embedge gallery migrate, and identify on both sides of it, as a user meets them."""

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from called import called
from PIL import Image
from tiny_bundles import face_like, tiny_contract, tiny_onnx, tiny_threshold

from embedge.runtime import Artifact, FaceMatcher, write_bundle
from embedge.runtime.bridge import Bridge, End, write_bridge

SPACES = {"old": ("o" * 64, 48), "new": ("n" * 64, 64)}


def bundle(folder: Path, name: str, seed: int) -> None:
    space, dim = SPACES[name]
    contract = tiny_contract(dim, space=space, model=f"sha256:{name}")
    write_bundle(
        folder / f"{name}.embedge",
        name=name,
        contract=contract,
        artifacts=[Artifact("fp32", "student.fp32.onnx", "fp32", 17, tiny_threshold())],
        files={"student.fp32.onnx": tiny_onnx(contract, seed=seed)},
        provenance={"method": "test"},
        default_artifact="fp32",
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two bundles, pictures of four people, and a map that is right for these pictures."""
    for seed, name in enumerate(SPACES):
        bundle(tmp_path, name, seed)
    for seed in range(4):
        Image.fromarray(face_like(seed)).save(tmp_path / f"{seed}.png")
    pictures = [tmp_path / f"{seed}.png" for seed in range(4)]
    old, new = (FaceMatcher.load(tmp_path / f"{name}.embedge") for name in SPACES)
    with old, new:
        matrix = np.linalg.lstsq(old.embed(pictures), new.embed(pictures), rcond=None)[0].T
        ends = End.of(old.contract), End.of(new.contract)
    made = Bridge.from_matrix(*ends, matrix.astype(np.float32)).with_threshold(tiny_threshold(0.5))
    write_bridge(tmp_path / "map", made)
    works(tmp_path, "gallery", "new-key", "key")
    for seed, name in enumerate(["ann", "ben", "cem"]):
        works(tmp_path, "enroll", "old.embedge", "door", name, f"{seed}.png", *KEY)
    return tmp_path


KEY = ("--key-file", "key")


def embedge(place: Path, *arguments: str) -> CompletedProcess[str]:
    return called(*arguments, cwd=place)


def works(place: Path, *arguments: str) -> str:
    done = embedge(place, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def migrated(place: Path, *options: str) -> dict[str, Any]:
    return json.loads(works(place, "gallery", "migrate", "door", *KEY, *options, "--json"))


def identified(place: Path, model: str, picture: str, *options: str) -> dict[str, Any]:
    ask = ("identify", f"{model}.embedge", "door", picture, *KEY, "--json", *options)
    return json.loads(works(place, *ask))


def test_over_to_the_new_model_and_back(place: Path) -> None:
    go = ("--bridge", "map", "--bundle", "new.embedge")
    told = migrated(place, *go)
    assert (told["searched"], told["bridged_templates"], told["kept_sealed"]) == ("new", 3, 3)
    assert told["bridged"] == ["ann", "ben", "cem"]
    found = identified(place, "new", "1.png")
    assert (found["person"], found["by_bridge"], found["replaced"]) == ("ben", True, False)
    assert found["threshold"]["value"] == 0.5
    refused = embedge(place, "identify", "old.embedge", "door", "1.png", *KEY)
    assert "E-SPACE" in refused.stderr
    assert migrated(place, "--back")["searched"] == "own"
    assert identified(place, "old", "1.png")["person"] == "ben"
    assert migrated(place, *go)["searched"] == "new"
    told = migrated(place, "--forget-old")
    assert (told["searched"], told["bridged_templates"], told["kept_sealed"]) == ("new", 3, 0)
    assert identified(place, "new", "1.png")["person"] == "ben"
    refused = embedge(place, "gallery", "migrate", "door", *KEY, "--back")
    assert refused.returncode == 2
    assert "E-MIGRATION" in refused.stderr
    assert json.loads(works(place, "gallery", "check", "door", *KEY, "--json"))["whole"]


def test_a_visit_replaces_only_where_more_than_the_bridge_vouches(place: Path) -> None:
    migrated(place, "--bridge", "map", "--bundle", "new.embedge")
    ask = ("new", "0.png", "--replace-bridged")
    assert identified(place, *ask)["replaced"] is False
    assert identified(place, *ask, "--confirmed", "ben")["replaced"] is False
    assert identified(place, *ask, "--confirmed", "ann")["replaced"] is True
    again = identified(place, "new", "0.png")
    assert (again["person"], again["by_bridge"]) == ("ann", False)
    assert again["threshold"]["value"] == tiny_threshold().value
    assert works(place, "gallery", "bridged", "door", *KEY).split() == ["ben", "cem"]
    text = works(place, "gallery", "migrate", "door", *KEY, "--forget-old")
    assert "1 of 3 people have a native template; 2 templates are bridged" in text


def test_a_map_alone_is_not_enough(place: Path) -> None:
    refused = embedge(place, "gallery", "migrate", "door", *KEY, "--bridge", "map")
    assert refused.returncode == 2
    assert "--bundle NEW" in refused.stderr
    wrong = ("--bridge", "map", "--bundle", "old.embedge")
    assert "E-SPACE" in embedge(place, "gallery", "migrate", "door", *KEY, *wrong).stderr
