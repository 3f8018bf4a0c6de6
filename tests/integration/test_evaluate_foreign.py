"""embedge evaluate of a foreign network: fed as somebody says and faces confirm, or not at all."""

from pathlib import Path
from subprocess import CompletedProcess

import onnx
import pytest
from called import called
from noisy_people import noisy_people
from onnx import helper
from tiny_bundles import tiny_contract, tiny_onnx


@pytest.fixture
def place(tmp_path: Path) -> Path:
    noisy_people(tmp_path / "faces", 12, 4)
    (tmp_path / "known.onnx").write_bytes(tiny_onnx(tiny_contract(64)))
    return tmp_path


def evaluated(place: Path, model: str) -> CompletedProcess:
    asked = ("--all-pairs", "--root", "faces", "--fmrs", "0.1", "--models")
    return called("evaluate", *asked, model, cwd=place)


def foreign_file(place: Path) -> Path:
    foreign = onnx.load(place / "known.onnx")
    del foreign.metadata_props[:]
    onnx.save(foreign, place / "foreign.onnx")
    return place / "foreign.onnx"


def test_a_foreign_network_is_fed_by_no_default(place: Path) -> None:
    foreign_file(place)
    done = evaluated(place, "foreign.onnx")
    assert (done.returncode, done.stdout) == (2, "")
    assert "E-FEEDING-UNSTATED" in done.stderr
    assert "State --mean, --std and --colour" in done.stderr
    assert "rgb-scaled" in done.stderr  # what these faces say
    assert evaluated(place, "known.onnx").returncode == 0


def test_what_its_file_says_is_held_against_the_faces(place: Path) -> None:
    """Keys that OpenVINO and TFLite write."""
    foreign = onnx.load(foreign_file(place))
    helper.set_model_props(foreign, {"mean": "127.5", "std": "127.5", "channel_order": "BGR"})
    onnx.save(foreign, place / "foreign.onnx")
    done = evaluated(place, "foreign.onnx")
    assert "written in the file" in done.stdout + done.stderr
