"""enroll, identify, erase, gallery and watch, as a user calls them."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from called import called, started
from import_path import import_path
from PIL import Image
from tiny_bundles import face_like, tiny_bundle, tiny_threshold


@pytest.fixture
def place(tmp_path: Path) -> Path:
    strict = {**tiny_threshold(0.6).to_json(), "fmr_upper": 1e-6, "fmr": 0.0, "fmr_target": 1e-6}
    tiny_bundle(tmp_path / "tiny.embedge", extras={"thresholds": {"fp32": [strict]}})
    for seed in range(4):
        Image.fromarray(face_like(seed)).save(tmp_path / f"{seed}.png")
    return tmp_path


def embedge(place: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    run = started if variables else called
    return run(*arguments, cwd=place, **variables)


def works(place: Path, *arguments: str, **variables: str) -> str:
    done = embedge(place, *arguments, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_faiss_answers_the_same_and_is_never_replaced_silently(place: Path) -> None:
    key = ("--key-file", "key")
    works(place, "gallery", "new-key", "key")
    works(place, "enroll", "tiny.embedge", "door.gallery", "ann", "0.png", *key)
    works(place, "enroll", "tiny.embedge", "door.gallery", "ben", "2.png", *key)
    ask = ("identify", "tiny.embedge", "door.gallery", "0.png", "2.png", *key, "--json")
    (place / "broken").mkdir()
    (place / "broken" / "faiss.py").write_text("raise ImportError('none here')")
    refused = embedge(place, *ask, "--search", "faiss", PYTHONPATH=import_path(place / "broken"))
    assert refused.returncode != 0
    assert "E-EXTRA" in refused.stderr
    assert "embedge[faiss]" in refused.stderr
    pytest.importorskip("faiss", reason="embedge[faiss] not installed")
    assert works(place, *ask, "--search", "faiss") == works(place, *ask)


def test_a_persons_life_in_a_gallery(place: Path) -> None:
    key = ("--key-file", "key")
    assert "whoever has it" in works(place, "gallery", "new-key", "key")
    for name, pictures in (("ann", ["0.png", "1.png"]), ("ben", ["2.png"])):
        said = works(place, "enroll", "tiny.embedge", "door.gallery", name, *pictures, *key)
        assert f"enrolled {name}" in said
    answer = json.loads(
        works(place, "identify", "tiny.embedge", "door.gallery", "1.png", *key, "--json")
    )
    assert answer["person"] == "ann"
    assert answer["templates"] == 3
    assert answer["fpir"] == pytest.approx(3 * 9.5e-5, rel=1e-3)
    stranger = works(place, "identify", "tiny.embedge", "door.gallery", "3.png", *key)
    assert "3.png: NOBODY" in stranger
    assert "chance of at most 0.00028" in stranger
    bounded = works(
        place, "identify", "tiny.embedge", "door.gallery", "2.png", *key, "--policy", "nist-800-63b"
    )
    assert "2.png: ben" in bounded
    info = json.loads(works(place, "gallery", "info", "door.gallery", *key, "--json"))
    assert (info["people"], info["templates"], info["cipher"]) == (2, 3, "AES-256-GCM")
    assert works(place, "gallery", "people", "door.gallery", *key) == "ann\nben\n"
    export = json.loads(works(place, "gallery", "export", "door.gallery", "ann", *key))
    assert len(export["templates"]) == 2
    proof = works(place, "erase", "door.gallery", "ann", *key, "--prove")
    assert "PROVEN" in proof
    works(place, "gallery", "compact", "door.gallery", *key)
    copied = ("gallery", "backup", "door.gallery", *key, "--to", "copy")
    assert "copied door.gallery to copy: " in works(place, *copied)
    assert works(place, "gallery", "people", "copy", *key) == "ben\n"
    again = embedge(place, *copied)
    assert again.returncode == 2
    assert "E-GALLERY-EXISTS" in again.stderr
    works(place, "gallery", "new-key", "key2")
    works(place, "gallery", "renew", "door.gallery", *key, "--new-key-file", "key2")
    text = (place / "key2").read_text()
    assert works(place, "gallery", "people", "door.gallery", EMBEDGE_GALLERY_KEY=text) == "ben\n"
    trail = works(place, "gallery", "audit", "door.gallery", "--key-file", "key2")
    assert [line.split()[1] for line in trail.splitlines()] == [
        *("enrol", "enrol", "erase", "compact", "renew")
    ]


def test_mistakes_are_one_sentence_each(place: Path) -> None:
    works(place, "gallery", "new-key", "key")
    works(place, "enroll", "tiny.embedge", "g", "ann", "0.png", "--key-file", "key")
    (place / "loose").write_text((place / "key").read_text())
    (place / "loose").chmod(0o644)
    (place / "other").write_text("ab" * 32)
    (place / "other").chmod(0o600)
    tiny_bundle(place / "narrow.embedge", name="narrow", dim=32)
    for code, arguments in (
        ("E-KEY", ("enroll", "tiny.embedge", "new", "ann", "0.png")),
        ("E-KEY", ("gallery", "info", "g")),
        ("E-KEY", ("gallery", "info", "g", "--key-file", "loose")),
        ("E-KEY", ("gallery", "info", "g", "--key-file", "other")),
        ("E-KEY", ("gallery", "info", "g", "--key-file", "0.png")),
        ("E-WRITE", ("gallery", "new-key", "key")),
        ("E-GALLERY", ("gallery", "info", "0.png", "--key-file", "key")),
        ("E-GALLERY-MISSING", ("gallery", "info", "absent", "--key-file", "key")),
        ("E-PERSON", ("erase", "g", "zoe", "--key-file", "key")),
        ("E-SPACE", ("identify", "narrow.embedge", "g", "0.png", "--key-file", "key")),
        ("E-IMAGE-MISSING", ("enroll", "tiny.embedge", "g", "x", "no.png", "--key-file", "key")),
        ("E-GALLERY-MISSING", ("gallery", "info", ".", "--key-file", "key")),
        ("E-GALLERY-MISSING", ("enroll", "tiny.embedge", ".", "x", "0.png", "--key-file", "key")),
        ("E-PERSON", ("enroll", "tiny.embedge", "g", "a\nb", "0.png", "--key-file", "key")),
        ("E-PERSON", ("enroll", "tiny.embedge", "g", "--key-file", "key")),
        ("E-PEOPLE", ("enroll", "tiny.embedge", "g", "--folder", "no", "--key-file", "key")),
        ("E-FOLDER", ("watch", "tiny.embedge", "g", "nowhere", "--key-file", "key")),
    ):
        done = embedge(place, *arguments)
        assert done.returncode == 2, (arguments, done)
        assert done.stderr.startswith(f"embedge: {code}: "), (arguments, done.stderr)
        assert done.stderr.count("\n") == 1
    assert not (place / "new").exists()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "embedge", "gallery", "info", "g", "--key-file", "key"],
            cwd=place,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("embedge: E-WRITE: cannot write the output")
    assert done.stderr.count("\n") == 1


def test_a_proof_that_fails_is_exit_3(place: Path) -> None:
    works(place, "enroll", "tiny.embedge", "g", "ann", "0.png", "--unencrypted")
    (place / "g.copy").write_bytes((place / "g").read_bytes())
    done = embedge(place, "erase", "g", "ann", "--prove")
    assert done.returncode == 3
    assert "g.copy: byte" in done.stdout
    assert "still opens and holds the person" in done.stdout
    assert done.stdout.rstrip().endswith("NOT PROVEN")


def test_a_proof_with_the_persons_pictures(place: Path) -> None:
    works(place, "enroll", "tiny.embedge", "g", "ann", "0.png", "--unencrypted", "--rows", "int8")
    prove = ("erase", "g", "ann", "--prove", "--picture", "0.png")
    assert "E-PROOF" in embedge(place, *prove).stderr
    said = works(place, *prove, "--bundle", "tiny.embedge")
    assert "the pictures' own embeddings (float32)" in said
    assert "cannot be known: copies elsewhere" in said
    assert said.rstrip().endswith("\nPROVEN")


def test_many_people_at_once(place: Path) -> None:
    (place / "people" / "ann").mkdir(parents=True)
    (place / "people" / "Zoe\u0308").mkdir()
    (place / "people" / "bad\nname").mkdir()
    for name, picture in (("ann", "0"), ("ann", "1"), ("Zoe\u0308", "2"), ("bad\nname", "3")):
        (place / "people" / name / f"{picture}.png").write_bytes(
            (place / f"{picture}.png").read_bytes()
        )
    (place / "people" / "ann" / "again.png").write_bytes((place / "0.png").read_bytes())
    (place / "people" / "ann" / "broken.png").write_bytes(b"nothing")
    command = ("enroll", "tiny.embedge", "g", "--folder", "people", "--unencrypted")
    for expected in ("the same as", "the same as"):
        done = embedge(place, *command)
        assert done.returncode == 3, done.stderr
        assert "E-IMAGE" in done.stdout
        assert "E-PERSON" in done.stdout
        assert "bad\\nname" in done.stdout
        assert expected in done.stdout
        assert "4 pictures of 2 people taken, 2 refused" in done.stdout
        info = json.loads(works(place, "gallery", "info", "g", "--json"))
        assert (info["people"], info["templates"]) == (2, 3)
    (place / "table.csv").write_text("3.png,ben\n0.png,dan\n")
    said = works(place, "enroll", "tiny.embedge", "g", "--csv", "table.csv", "--json")
    assert [json.loads(line)["person"] for line in said.splitlines()] == ["ben", "dan"]
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    assert works(place, "gallery", "people", "g", **ascii_only) == "Zo\\xeb\nann\nben\ndan\n"


def test_every_picture_is_reported(place: Path) -> None:
    works(place, "enroll", "tiny.embedge", "g", "ann", "0.png", "--unencrypted")
    (place / "broken.png").write_bytes(b"nothing")
    done = embedge(place, "identify", "tiny.embedge", "g", "0.png", "broken.png", "3.png")
    assert done.returncode == 3
    assert "0.png: ann" in done.stdout
    assert "broken.png: REFUSED E-IMAGE" in done.stdout
    assert "3.png: NOBODY" in done.stdout


def test_a_damaged_gallery_is_looked_over_and_saved(place: Path) -> None:
    for name, picture in (("ann", "0.png"), ("ben", "1.png")):
        works(place, "enroll", "tiny.embedge", "g", name, picture, "--unencrypted")
    assert "nothing is missing" in works(place, "gallery", "check", "g")
    data = bytearray((place / "g").read_bytes())
    data[:4096] = bytes(4096)
    (place / "g").write_bytes(data)
    assert "E-GALLERY" in embedge(place, "gallery", "check", "g").stderr
    assert "saved 2 templates of 2 people" in works(place, "gallery", "recover", "g", "saved")
    assert works(place, "gallery", "people", "saved") == "ann\nben\n"


def test_watching_a_folder(place: Path) -> None:
    works(place, "enroll", "tiny.embedge", "g", "ann", "0.png", "--unencrypted")
    (place / "in").mkdir()
    command = [sys.executable, "-m", "embedge", "watch", "tiny.embedge", "g", "in"]
    watching = subprocess.Popen(
        [*command, "--interval", "0.1"], cwd=place, stdout=subprocess.PIPE, text=True
    )
    try:
        lines = []
        for name, data in (
            ("a.png", (place / "0.png").read_bytes()),
            ("broken.png", b"not a picture"),
            ("b.png", (place / "3.png").read_bytes()),
        ):
            (place / "in" / name).write_bytes(data)
            lines.append(json.loads(watching.stdout.readline()))
        assert [line.get("person") for line in lines] == ["ann", None, None]
        assert lines[1]["error"] == "E-IMAGE"
        watching.send_signal(2)
        assert watching.wait(20) == 130
    finally:
        watching.kill()
        watching.wait()
        watching.stdout.close()
    once = works(place, "watch", "tiny.embedge", "g", "in", "--once")
    assert len(once.splitlines()) == 3


def test_watching_survives_whatever_lies_in_the_folder(place: Path) -> None:
    works(place, "enroll", "tiny.embedge", "g", "ann", "0.png", "--unencrypted")
    folder = place / "in"
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "self.png").symlink_to("self.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "a.png").write_bytes((place / "0.png").read_bytes())
    command = [sys.executable, "-m", "embedge", "watch", "tiny.embedge", "g", "in"]
    watching = subprocess.Popen(
        [*command, "--interval", "0.1", "--policy", "nist-800-63b"],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = json.loads(watching.stdout.readline())
        assert (told["picture"], told["person"]) == ("in/a.png", "ann")
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        rest, said = watching.communicate(timeout=20)
    finally:
        watching.kill()
        watching.wait()
    assert (watching.returncode, rest) == (2, "")
    assert said.startswith("embedge: E-FOLDER: ")


def test_a_picture_that_became_a_link_is_not_followed(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from embedge.cli import main
    from embedge.runtime import watching

    monkeypatch.chdir(place)
    works(place, "enroll", "tiny.embedge", "g", "ann", "0.png", "--unencrypted")
    folder = place / "in"
    folder.mkdir()

    def swapped(*_: object, **__: object) -> list[Path]:
        (folder / "a.png").symlink_to(place / "0.png")  # after the look, before it is read
        return [folder / "a.png"]

    monkeypatch.setattr(watching, "arriving_files", swapped)
    assert main(["watch", "tiny.embedge", "g", "in", "--once"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["error"] == "E-IMAGE-MISSING"


def test_a_picture_still_being_written_is_waited_for(tmp_path: Path) -> None:
    from embedge.runtime.watching import arriving_files

    growing = tmp_path / "g.png"
    growing.write_bytes(b"1")
    stop = time.monotonic() + 0.5

    def grow() -> None:
        while time.monotonic() < stop:
            with growing.open("ab") as stream:
                stream.write(b"more")
            time.sleep(0.005)

    writer = threading.Thread(target=grow)
    writer.start()
    assert next(arriving_files(tmp_path, 0.1)) == growing
    assert time.monotonic() >= stop
    writer.join()
