"""embedge bridge as a user meets it."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from called import called, started
from PIL import Image
from tiny_bundles import face_like, tiny_bundle, tiny_contract, tiny_onnx
from two_spaces import people, strangers, unit

from embedge.calibration.evaluation.subjects import opened_model
from embedge.runtime.bridge import read_bridge
from embedge.runtime.bundle.signing_keys import new_signing_key


def bridge(*arguments: object) -> CompletedProcess[str]:
    return called("bridge", *arguments)


def saved(folder: Path, **rows: np.ndarray) -> list[Path]:
    paths = []
    for name, matrix in rows.items():
        paths.append(folder / f"{name}.npy")
        np.save(paths[-1], matrix)
    return paths


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bridge")
    old, new = strangers(1200)
    known_old, known_new, labels = people(80)
    saved(folder, old=old, new=new, known_old=known_old, known_new=known_new)
    (folder / "names.txt").write_text("\n".join(f"person {n}" for n in labels))
    return folder


def known(folder: Path) -> list[object]:
    return [
        *("--labelled-old", folder / "known_old.npy"),
        *("--labelled-new", folder / "known_new.npy"),
        *("--names", folder / "names.txt"),
    ]


def test_two_matrices_and_known_people(given: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    public = new_signing_key(key)
    ends = given / "old.npy", given / "new.npy"
    out = ("--out", tmp_path / "map", "--json", "--sign", key)
    done = started("bridge", *ends, *known(given), "--fmr", 1e-2, *out)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"]["decision"].startswith("go")
    assert [point["fmr"] for point in found["labelled"]["points"]] == [1e-2, 1e-3]
    assert found["attack"]["rank1"] > 0.5
    assert [what.split(" was fed")[0] for what in found["not_checked"]] == ["how old", "how new"]
    carried = read_bridge(tmp_path / "map", trusted=[public])
    assert (carried.source.space, carried.target.dim) == ("matrix:old", 40)
    assert carried.threshold.to_json() == found["threshold"]
    scores = carried.apply(np.load(given / "known_old.npy")) @ np.load(given / "known_new.npy").T
    assert (scores.argmax(1) // 3 == np.arange(240) // 3).mean() > 0.9


def test_without_labels_the_text_says_what_is_promised(given: Path, tmp_path: Path) -> None:
    ends = given / "old.npy", given / "new.npy"
    done = bridge(*ends, "--out", tmp_path / "map", "--fmr", 1e-2, "--keep", 0.5)
    assert done.returncode == 0, done.stderr
    for words in ("VERDICT", "promised without labels", "unchecked  how old was fed"):
        assert words in done.stdout.replace("verdict", "VERDICT")
    done = bridge(*ends, "--out", tmp_path / "other", "--fmr", 1e-8, "--keep", 0.5)
    assert "threshold  NONE: these people and pictures do not carry FMR 1e-08" in done.stdout


def test_shuffled_rows_are_refused_and_leave_no_map(given: Path, tmp_path: Path) -> None:
    (wrong,) = saved(tmp_path, wrong=np.load(given / "old.npy")[::-1])
    done = bridge(wrong, given / "new.npy", "--out", tmp_path / "map", "--fmr", 1e-2)
    assert done.returncode == 3, done.stderr
    assert "not paired" in done.stdout
    assert not (tmp_path / "map").exists()


def test_teacher_and_student_need_none(tmp_path: Path) -> None:
    teacher = unit(np.random.default_rng(0).normal(size=(800, 32)))
    student = unit(teacher + 0.1 * np.random.default_rng(1).normal(size=teacher.shape))
    ends = saved(tmp_path, teacher=teacher, student=student)
    done = bridge(*ends, "--out", tmp_path / "map")
    assert done.returncode == 0, done.stderr
    assert "one space already: the map is the identity" in done.stdout
    assert np.array_equal(read_bridge(tmp_path / "map").linear, np.eye(32))


def test_models_run_on_the_same_pictures(tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    faces.mkdir()
    for number in range(320):
        Image.fromarray(face_like(number)).save(faces / f"{number:03}.png")
    old = tiny_bundle(tmp_path / "tiny.embedge", dim=64)
    (tmp_path / "new.onnx").write_bytes(tiny_onnx(tiny_contract(48, space="new"), seed=1))
    ends = old, tmp_path / "new.onnx"
    for number in range(20):
        person = tmp_path / "people" / f"{number:02}"
        person.mkdir(parents=True)
        for picture in range(2):
            noise = np.random.default_rng([number, picture]).integers(-9, 9, (112, 112, 3))
            seen = np.clip(face_like(1000 + number) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(seen).save(person / f"{picture}.png")
    options = ("--out", tmp_path / "map", "--json", "--fmr", 5e-2)
    done = bridge(*ends, "--faces", faces, "--labelled", tmp_path / "people", *options)
    found = json.loads(done.stdout)
    assert done.returncode == 3, done.stderr
    assert "does not see faces" in found["verdict"]["reasons"][0], "both networks are random"
    assert found["map"]["views"] == 2
    assert found["source"]["space"] == "s" * 64
    assert found["labelled"]["comparisons"][0]["images"] == 40
    assert found["labelled"]["points"][0]["bridged"] > 0.9
    refused(
        bridge(*ends, "--faces", tmp_path, "--labelled", tmp_path / "people", *options),
        "40 of the labelled pictures are among those that the map is fitted to",
    )


def test_a_matrix_that_was_made_of_other_colours_shows_beside_a_network(tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    faces.mkdir()
    pictures = np.stack([face_like(number) for number in range(320)])
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(faces / f"{number:03}.png")
    bundle = tiny_bundle(tmp_path / "tiny.embedge", dim=64)
    with opened_model(str(bundle)).encoder as encoder:
        rows = [
            encoder.features(pictures[..., ::-1]),
            encoder.features(pictures),
        ]
    swapped, right = saved(tmp_path, swapped=unit(rows[0]), right=unit(rows[1]))
    out = ("--faces", faces, "--out", tmp_path / "map", "--fmr", 0.05, "--quiet")
    wrong = bridge(swapped, bundle, *out)
    refused(wrong, "fed with red and blue swapped, tiny fp32 agrees with the other model at")
    assert "or swapped is what was fed wrongly" in wrong.stderr
    assert "bundle it again" in wrong.stderr
    assert bridge(right, bundle, *out).returncode == 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda rows: rows[:-1], "row i of both must be the same picture"),
        (lambda rows: rows[:100], "row i of both"),
        (lambda rows: np.where(np.arange(len(rows))[:, None] == 7, np.nan, rows), "hold NaN"),
        (lambda rows: np.where(np.arange(len(rows))[:, None] == 7, 0, rows), "are zero"),
        (lambda rows: rows[0], "no matrix of embeddings"),
        (lambda rows: np.ones_like(rows), "are the same"),
        (lambda rows: rows.astype(object), "cannot be read"),
    ],
)
def test_matrices_that_cannot_be_used(
    given: Path, tmp_path: Path, spoil: Callable[..., Any], words: str
) -> None:
    (wrong,) = saved(tmp_path, wrong=spoil(np.load(given / "old.npy")))
    refused(bridge(wrong, given / "new.npy", "--out", tmp_path / "map"), words)


def refused(done: CompletedProcess[str], words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_wrong_words(given: Path, tmp_path: Path) -> None:
    old, new, out = given / "old.npy", given / "new.npy", ("--out", tmp_path / "map")
    few = saved(tmp_path, a=np.load(old)[:50], b=np.load(new)[:50])
    refused(bridge(*few, *out), "50 pictures are too few")
    missing = "E-BRIDGE-MATRIX: this matrix cannot be read: No such file or directory"
    refused(bridge(tmp_path / "none.npy", new, *out), missing)
    refused(bridge(tmp_path / "none.onnx", new, *out), "E-MODEL-MISSING")
    refused(bridge(old, new, *out, "--names", given / "names.txt"), "--labelled-old")
    short = tmp_path / "short.txt"
    short.write_text("only one")
    refused(bridge(old, new, *out, *known(given), "--names", short), "do not fit together")
    bundle = tiny_bundle(tmp_path / "tiny.embedge")
    refused(bridge(bundle, new, *out), "--faces was not given")
    refused(bridge(bundle, new, *out, "--old-preprocessing", "rgb-plain"), "states how")
    refused(bridge(bundle, new, *out, "--faces", tmp_path / "nowhere"), "E-BRIDGE-FACES")
