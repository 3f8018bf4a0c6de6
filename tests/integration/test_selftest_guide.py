"""The self-test as a user meets it: its page, its command, its exit status, its exact words."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from called import called
from tiny_bundles import face_like, tiny_bundle, tiny_contract, tiny_onnx

from embedge.export.golden import golden_from_graphs
from embedge.runtime.selftest.golden import GOLDEN

pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
GUIDE = Path(__file__).parents[2] / "docs" / "reference" / "selftest.md"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy bundle, one with another network in it, one without golden vectors."""
    folder = tmp_path_factory.mktemp("selftest")
    contract = tiny_contract(64)
    right, stale = folder / "right.onnx", folder / "stale.onnx"
    right.write_bytes(tiny_onnx(contract))
    stale.write_bytes(tiny_onnx(contract, seed=9))
    faces = np.stack([face_like(seed) for seed in range(3)])
    golden = {GOLDEN: golden_from_graphs({"fp32": right, "raw": right}, contract, faces)}
    tiny_bundle(folder / "tiny.embedge", files=golden)
    other = {"student.fp32.onnx": stale.read_bytes()}
    tiny_bundle(folder / "stale.embedge", files={**golden, **other})
    tiny_bundle(folder / "old.embedge")
    return folder


def blocks(kind: str) -> list[str]:
    found: list[str] = re.findall(rf"```{kind}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found
    return found


def embedge(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {"XDG_CACHE_HOME": str(place / "cache"), **environment}
    return called(*arguments, cwd=place, **variables)


def test_the_python_examples(place: Path) -> None:
    said = []
    for example in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", example], cwd=place, capture_output=True, text=True
        )
        assert done.returncode == 0, example + done.stderr
        said.append(done.stdout)
    assert said[0] == "CPUExecutionProvider\n"
    assert said[1].startswith("False ['colour-order']\nGive the channels")


def test_the_commands(place: Path) -> None:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert len(lines) == 3
    for line in lines:
        _, program, *arguments = shlex.split(line)
        assert program == "embedge"
        done = embedge(place, *arguments)
        assert done.returncode == 0, line + done.stderr


def test_all_artifacts_are_asked(place: Path) -> None:
    done = embedge(place, "selftest", "tiny.embedge", "--json")
    told = json.loads(done.stdout)
    assert told["passed"] is True
    assert [one["artifact"] for one in told["artifacts"]] == ["fp32", "raw"]
    assert all(one["cosine"] > 0.9999 and one["seconds"] < 2 for one in told["artifacts"])


def test_a_sick_bundle_ends_in_3_and_names_the_fault(place: Path) -> None:
    done = embedge(place, "selftest", "stale.embedge", "--artifact", "fp32")
    assert done.returncode == 3
    assert done.stdout.startswith("FAIL  fp32 on CPUExecutionProvider, cosine ")
    assert "stale-weights: answers of another network" in done.stdout
    assert done.stderr.startswith("embedge: E-SELFTEST: 1 of 1 artifacts do not answer")


def test_a_command_that_matches_refuses_a_sick_bundle(place: Path) -> None:
    face = place / "face.png"
    from PIL import Image

    Image.fromarray(face_like(1)).save(face)
    done = embedge(place, "verify", "stale.embedge", str(face), str(face))
    assert done.returncode == 2
    assert "E-SELFTEST" in done.stderr
    assert "Traceback" not in done.stderr
    off = embedge(place, "verify", "stale.embedge", str(face), str(face), EMBEDGE_SELFTEST="off")
    assert off.returncode == 0


def test_a_bundle_without_golden_vectors_says_so(place: Path) -> None:
    done = embedge(place, "selftest", "old.embedge")
    assert done.returncode == 2
    assert "carries no golden vectors" in done.stderr
