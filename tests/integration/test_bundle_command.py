"""`embedge bundle`: docs/bundle.md runs as it stands, and what is wrong is one sentence."""

import json
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from small_face import CONTRACT, small_face, smooth_pictures

from embedge.export.student import onnx_from_student
from embedge.report.read import report_from_json
from embedge.runtime import FaceMatcher
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.encoders.bundled import chosen_artifact, encoder_from_bundle

OPENVINO = find_spec("openvino") is not None
GUIDE = Path(__file__).parents[2] / "docs" / "bundle.md"
WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnxscript"}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
from embedge.cli import main
sys.exit(main(sys.argv[1:]))
"""
QUICK = {
    "bundle": " --seconds 0.1 --count 24",
    "bench": " --seconds 0.1 --sustained-seconds 0.1 --scenario single-stream --threads 1",
}


# light from the side, and a curtain behind: without it the second would be a copy of the first
SIDEWAYS = (np.linspace(-6, 6, 112) + 10 * np.sin(np.arange(112) / 2.2))[None, :, None]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network without a contract, and people whose pictures are alike."""
    folder = tmp_path_factory.mktemp("bundle")
    onnx_from_student(small_face(), CONTRACT, folder / "embedder.onnx", lower=False)
    model = onnx.load(folder / "embedder.onnx")
    del model.metadata_props[:]
    onnx.save(model, folder / "embedder.onnx")
    rng = np.random.default_rng(0)
    for number, picture in enumerate(smooth_pictures(148)):
        for turn in range(2):
            lit = picture + turn * SIDEWAYS
            noisy = np.clip(lit + rng.integers(-12, 13, picture.shape), 0, 255)
            path = folder / "faces" / f"p{number:02}" / f"{turn}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noisy.astype(np.uint8)).save(path)
    return folder


def ran(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    _, *words = shlex.split(command)
    line = [sys.executable, "-c", WITHOUT_TORCH, *words]
    return subprocess.run(
        line, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )


def test_the_guide_runs_without_torch(place: Path) -> None:
    blocks = re.findall(r"```\n(embedge .*?)```", GUIDE.read_text(), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        done = ran(place, command + QUICK.get(command.split()[1], ""))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    with FaceMatcher.load(place / "door.embedge") as matcher:
        assert matcher.contract.dim == 16
    report = json.loads((place / "door.embedge" / "report.json").read_text())
    verdict = report_from_json(report).verdict
    assert not verdict.failed
    short = {gate.name for gate in verdict.not_shown}
    assert {"fp16 accuracy", "int8-cpu accuracy", "int8-trt accuracy"} <= short
    names = [one["name"] for one in report["artifacts"]]
    assert names == ["fp32", "fp16", "int8-cpu", "int8-trt", *(["int8-openvino"] * OPENVINO)]
    assert report["latency"]["verify_artifact"] in names[:3]  # what the base install runs
    assert all(one["threshold"]["fmr_target"] == 0.1 for one in report["artifacts"])
    manifest = json.loads((place / "door.embedge" / "manifest.json").read_text())
    feeding = manifest["provenance"]["feeding"]
    assert (feeding["name"], feeding["source"]) == ("rgb-scaled", "stated")
    assert manifest["contract"]["space"].startswith("sha256:")


@pytest.mark.skipif(not OPENVINO, reason="pip install 'embedge[openvino]'")
def test_on_openvino_its_own_artifact_runs_and_proves_itself(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph is TensorRT's, so its file is too; its threshold is its own."""
    fed = "--mean 127.5 --std 127.5 --colour RGB --fmr 0.1 --count 24 --seconds 0.1"
    done = ran(place, f"embedge bundle embedder.onnx --faces faces --int8 {fed} --out ov.embedge")
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("EMBEDGE_SELFTEST", "always")
    with Bundle.open(place / "ov.embedge") as bundle:
        own, shared = bundle.artifact("int8-openvino"), bundle.artifact("int8-trt")
        assert (own.runtime, shared.runtime) == ("openvino", "onnxruntime")
        assert own.file == shared.file
        assert bundle.default_artifact in {"fp32", "fp16", "int8-cpu"}
        with encoder_from_bundle(bundle, runtime="openvino") as encoder:
            assert encoder.provider.startswith("OpenVINO")
        assert chosen_artifact(bundle, runtime="openvino") == own
    asked = ran(place, "embedge selftest ov.embedge --runtime openvino --json")
    assert asked.returncode == 0, asked.stdout
    assert "int8-openvino" in asked.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("--faces faces", r"E-FEEDING-UNSTATED.*equal error rates.*--mean"),
        ("--faces nobody --mean 0 --std 1 --colour RGB", "E-CALIBRATION.*no such folder"),
        ("--faces faces --mean 1 2 --std 1 --colour RGB", "E-FEEDING.*2 numbers"),
        ("--faces faces --output other", "E-OUTPUT.*'other'.*embedding"),
    ],
)
def test_what_is_wrong_is_one_sentence(place: Path, more: str, said: str) -> None:
    done = ran(place, f"embedge bundle embedder.onnx {more} --out none.embedge")
    assert done.returncode == 2
    assert re.search(said, done.stderr)
    assert "Traceback" not in done.stderr
    assert not (place / "none.embedge").exists()


def test_a_rate_that_nobody_carries_is_no_bundle_to_ship(place: Path) -> None:
    """It is written with thresholds that are carried, and the command says what was missed."""
    fed = "--mean 127.5 --std 127.5 --colour RGB"
    few = f"--faces faces --most 120 --fmr 1e-6 {fed} --seconds 0.5 --out few.embedge"
    done = ran(place, f"embedge bundle embedder.onnx {few}")
    assert done.returncode == 3
    assert re.search("E-GATE: missed: fp16 accuracy( |$)", done.stderr, re.MULTILINE)
    assert "NOT SHOWN: too few people are judged to tell of 1 of" in done.stdout
    told = "NOTE  fp16: the threshold was to keep FMR 1e-06, which 20 people do not carry"
    assert told in done.stdout
    assert (place / "few.embedge" / "report.html").is_file()
    manifest = json.loads((place / "few.embedge" / "manifest.json").read_text())
    assert manifest["extras"]["threshold_shortages"]["fp32"]["people"] == 20
    report = json.loads((place / "few.embedge" / "report.json").read_text())
    assert report["evaluation"]["dataset"]["thresholds_on"] == "other people"
    assert report["evaluation"]["dataset"]["identities"] == 30
    fp32 = report["artifacts"][0]
    assert 1e-6 < fp32["threshold"]["fmr_target"] <= 0.1
    assert fp32["cosine_to_torch"]["n"] == 100  # nobody who chose


def test_a_network_of_another_size_proves_itself_too(place: Path, tmp_path: Path) -> None:
    model = onnx.load(place / "embedder.onnx")
    entry = model.graph.input[0].name
    sizes = np.array([1, 1, 0.7, 0.7], np.float32)  # 160 pixels to 112
    model.graph.initializer.append(onnx.numpy_helper.from_array(sizes, "sizes"))
    for node in model.graph.node:
        node.input[:] = ["small" if name == entry else name for name in node.input]
    resize = onnx.helper.make_node("Resize", [entry, "", "sizes"], ["small"], mode="linear")
    model.graph.node.insert(0, resize)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 160
    onnx.save(model, tmp_path / "wide.onnx")
    for path in (place / "faces").glob("*/*.png"):
        wide = tmp_path / path.relative_to(place)
        wide.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).resize((160, 160)).save(wide)
    fed = " --mean 127.5 --std 127.5 --colour RGB --fmr 0.1 --seconds 0.1"
    made = ran(tmp_path, "embedge bundle wide.onnx --faces faces" + fed)
    assert "bundle:" in made.stdout, made.stderr
    asked = ran(tmp_path, "embedge selftest wide.embedge")
    assert asked.returncode == 0, asked.stdout + asked.stderr
