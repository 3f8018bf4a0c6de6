"""No traceback for a full disk, a locale of ASCII, or a name that means to move the cursor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("output")
    tiny_bundle(folder / "tiny.embedge")
    Image.fromarray(face_like(1)).save(folder / "1.png")
    return folder


def embedge(place: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    settings: dict[str, object] = {"stdout": subprocess.PIPE, **options}
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "embedge", *arguments],
        cwd=place,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        *(("verify", "tiny.embedge", "1.png", "1.png"), ("doctor",)),
        *(("--help",), ("verify", "--help"), ("--version",)),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_sentence(
    place: Path, arguments: tuple[str, ...], unbuffered: str
) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = embedge(place, *arguments, stdout=full, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("embedge: E-WRITE: cannot write the output: No space left")
    assert done.stderr.count("\n") == 1


def test_a_locale_of_ascii_shows_escapes(place: Path) -> None:
    ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = embedge(place, "verify", "tiny.embedge", "1.png", "Zoë 李.png", env=ascii_only)
    assert done.returncode == 2
    assert done.stderr.startswith("embedge: E-IMAGE-MISSING: ")
    assert done.stderr.isascii()
    done = embedge(place, "--help", env={**ascii_only, "PYTHONIOENCODING": "ascii:strict"})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_does_not_move_the_cursor(place: Path) -> None:
    done = embedge(place, "verify", "tiny.embedge", "1.png", "\x1b[2J\nMATCH.png")
    assert "\x1b" not in done.stderr
    assert r"\x1b[2J\nMATCH.png" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("port", "said"), [("99999", "embedge: E-PORT: "), ("-1", "argument --port: -1 is not a")]
)
def test_a_port_that_cannot_be(place: Path, port: str, said: str) -> None:
    done = embedge(place, "demo-page", "tiny.embedge", f"--port={port}")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_may_not_be_listed_is_one_sentence(place: Path) -> None:
    done = embedge(place, "verify", "1.png/x", "1.png", "1.png")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "entry"),
    [
        ("argparse", "main"),
        ("argparse", "distill_and_export"),
        ("embedge.cli.device.gallery", "main"),
    ],
)
def test_ctrl_c_before_a_command_begins_is_one_line(place: Path, module: str, entry: str) -> None:
    """It comes while this module is looked for."""
    program = f"""
import _signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == {module!r}:
            sys.meta_path.remove(self)
            _signal.raise_signal(_signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.argv = ["embedge", "gallery", "info", "--zzz"]
from embedge.__main__ import {entry}
sys.exit({entry}())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=place, capture_output=True, text=True
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr == "\nembedge: stopped; whatever was finished is kept\n"
