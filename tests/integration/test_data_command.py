"""`embedge data` as a user calls it."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
from called import called, started
from face_sets import encoded, face, face_folder
from PIL import Image

from embedge.train.render import FaceRenderer


def embedge(*arguments: object) -> CompletedProcess[str]:
    return called("data", *arguments)


def test_convert_inspect_verify(tmp_path: Path) -> None:
    folder = face_folder(tmp_path / "faces")
    done = started("data", "convert", folder, tmp_path / "rec", "--to", "recordio")
    assert done.returncode == 0, done.stderr
    assert "20 pictures of 5 people as recordio" in done.stdout
    facts = json.loads(embedge("inspect", tmp_path / "rec", "--json").stdout)
    assert (facts["kind"], facts["pictures"], facts["identities"]) == ("recordio", 20, 5)
    assert embedge("verify", tmp_path / "rec").returncode == 0


def test_a_split_has_two_sides_without_common_people(tmp_path: Path) -> None:
    folder = face_folder(tmp_path / "faces")
    done = embedge("convert", folder, tmp_path / "out", "--to", "folder", "--held-out", "0.4")
    assert done.returncode == 0, done.stderr
    sides = [{p.name for p in (tmp_path / "out" / s).iterdir()} for s in ("learn", "held-out")]
    assert sides[0].isdisjoint(sides[1])
    assert sides[0] | sides[1] == {f"p{n}" for n in range(5)}


def test_corrupt_records_end_verify_with_3(tmp_path: Path) -> None:
    folder = face_folder(tmp_path / "faces")
    (folder / "p2" / "1.jpg").write_bytes(b"spoilt")
    done = embedge("verify", folder)
    assert done.returncode == 3
    assert "p2/1.jpg" in done.stdout


def test_photos_are_looked_into_and_told_how_to_become_faces(tmp_path: Path) -> None:
    for number in range(30):
        path = tmp_path / "photos" / f"p{number}" / "0.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (250, 250), (9 * number % 255, 90, 90)).save(path)
    for action in ("inspect", "verify"):
        done = embedge(action, tmp_path / "photos")
        assert done.returncode == 2
        assert "identities" in done.stdout or "corrupt" in done.stdout
        assert "… 20 more" in done.stdout
        assert "embedge data align PHOTOS FACES --detector DETECTOR.onnx" in done.stderr
        assert done.stderr.count("embedge: E-NOT-ALIGNED") == 1


def test_faces_in_bgr_are_seen_when_looked_into(tmp_path: Path) -> None:
    for person, picture in enumerate(FaceRenderer(0).render(np.arange(8), np.zeros(8, int)).images):
        for form, channels in (("rgb", picture), ("bgr", picture[..., ::-1])):
            path = tmp_path / form / f"p{person}" / "0.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(channels).save(path)
    assert "look like BGR" in embedge("inspect", tmp_path / "bgr").stdout
    assert "BGR" not in embedge("inspect", tmp_path / "rgb").stdout


def test_mistakes_are_one_line_and_2(tmp_path: Path) -> None:
    for arguments in (
        ("inspect", tmp_path / "none"),
        ("verify", tmp_path / "none.bin"),
        ("convert", face_folder(tmp_path / "faces"), tmp_path, "--to", "pixels"),
    ):
        done = embedge(*arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("embedge: E-")
        assert "Traceback" not in done.stderr


def test_a_malicious_verification_set_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return os.system, (f"touch {tmp_path}/was-here",)

    (tmp_path / "evil.bin").write_bytes(pickle.dumps(([Evil()], [True])))
    done = embedge("verify", tmp_path / "evil.bin")
    assert done.returncode == 2
    assert "E-PICKLE" in done.stderr
    assert not (tmp_path / "was-here").exists()


def test_a_verification_set(tmp_path: Path) -> None:
    pictures = [encoded(face(n % 5, n % 4)) for n in range(8)]
    path = tmp_path / "toy.bin"
    path.write_bytes(pickle.dumps((pictures, [True, False, True, False])))
    facts = json.loads(embedge("verify", path, "--json").stdout)
    assert (facts["pictures"], facts["pairs"], facts["genuine_pairs"]) == (8, 4, 2)
    path.write_bytes(pickle.dumps(([*pictures[:7], b"spoilt"], [True] * 4)))
    done = embedge("verify", path, "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["corrupt_records"][0]["record"] == "toy.bin#7"
