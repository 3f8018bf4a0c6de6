import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import onnx
import pytest
from called import called, started
from PIL import Image
from small_face import small_face, smooth_pictures

from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and a folder of people."""
    root = tmp_path_factory.mktemp("quantize")
    onnx_from_student(small_face(), EmbeddingContract("s", "m", 16), root / "model.onnx")
    for number, image in enumerate(smooth_pictures(48)):
        path = root / "faces" / f"person{number // 4}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return root


def quantize(*arguments: object) -> CompletedProcess[str]:
    return called("quantize", *arguments)


MEASURED = {
    "cpu": "",
    "qdq": "measure it in the NPU's own tool",
    "trt": "measure it in TensorRT or OpenVINO",
    "trt8": "measure it in TensorRT 8",
}


@pytest.mark.parametrize("target", list(MEASURED))
def test_a_foreign_model_is_quantised_with_figures(
    folder: Path, tmp_path: Path, target: str
) -> None:
    out, figures = tmp_path / "int8.onnx", tmp_path / "figures.json"
    done = quantize(
        folder / "model.onnx",
        "--calib",
        folder / "faces",
        "--target",
        target,
        "--out",
        out,
        "--count",
        "32",
        "--seconds",
        "0.5",
        "--json",
        figures,
    )
    assert done.returncode == 0, done.stderr
    assert "cosine to float on 8 other pictures" in done.stdout
    assert "times as fast" in done.stdout
    told = [line for line in done.stdout.splitlines() if "measure it" in line]
    assert [line.partition("is not for: ")[2] for line in told] == [MEASURED[target]] * len(told)
    assert bool(told) == (target != "cpu")
    found = json.loads(figures.read_text())
    assert found["parity"]["mean"] > 0.999
    most = 1.2 if target == "trt8" else 0.8  # TensorRT 8 reads weights in float only
    assert found["after"]["bytes"] < most * found["before"]["bytes"]
    chosen = json.loads(out.with_suffix(".calibration.json").read_text())
    assert len(chosen["pictures"]) == 24  # of the half of the people who calibrate


def test_the_plan_lies_beside_the_model(folder: Path, tmp_path: Path) -> None:
    """With a budget it says what was tried and what it gave."""
    out = tmp_path / "int8.onnx"
    options = ("--budget", "50", "--fmr", "0.1", "--count", "24", "--no-figures", "--out", out)
    done = started("quantize", folder / "model.onnx", "--calib", folder / "faces", *options)
    assert done.returncode == 0, done.stderr
    assert "TAR at FMR 0.1 loses" in done.stdout
    assert "judging on 16 other pictures of 4 people" in done.stderr
    plan = json.loads(out.with_suffix(".plan.json").read_text())
    assert plan["budget_points"] == 50
    assert plan["reached"]
    assert plan["all_int8"]["comparisons"] > 0


def test_help_is_quick_and_needs_nothing(folder: Path) -> None:
    assert "--target" in started("quantize", "--help").stdout


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda faces: [p.unlink() for p in faces.rglob("*.png")], "E-CALIBRATION"),
        (lambda faces: (faces / "person0/0.png").write_bytes(b"no picture"), "E-IMAGE"),
        (lambda faces: Image.new("RGB", (64, 64)).save(faces / "person0/0.png"), "E-CALIBRATION"),
    ],
)
def test_a_spoilt_folder_is_one_sentence(
    folder: Path, tmp_path: Path, spoil: Callable[..., Any], code: str
) -> None:
    import shutil

    faces = tmp_path / "faces"
    shutil.copytree(folder / "faces", faces)
    spoil(faces)
    done = quantize(folder / "model.onnx", "--calib", faces, "--out", tmp_path / "o.onnx")
    assert done.returncode == 2
    assert code in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o.onnx").exists()


def test_a_missing_model_is_said(folder: Path, tmp_path: Path) -> None:
    done = quantize(tmp_path / "no.onnx", "--calib", folder / "faces", "--out", tmp_path / "o.onnx")
    assert done.returncode == 2
    assert "E-GRAPH" in done.stderr
    assert np.array_equal(sorted(tmp_path.iterdir()), [])


def foreign(folder: Path, place: Path) -> Path:
    """The same model without its contract."""
    model = onnx.load(folder / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, place / "foreign.onnx")
    return place / "foreign.onnx"


def people(place: Path) -> Path:
    """Twelve, each of whose pictures are alike: faces that can confirm a feeding."""
    rng = np.random.default_rng(0)
    for number, picture in enumerate(smooth_pictures(12)):
        for turn in range(4):
            path = place / "people" / f"p{number}" / f"{turn}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noisy = np.clip(picture + rng.integers(-12, 13, picture.shape), 0, 255)
            Image.fromarray(noisy.astype(np.uint8)).save(path)
    return place / "people"


def test_a_foreign_model_states_how_it_is_fed(folder: Path, tmp_path: Path) -> None:
    model, out = foreign(folder, tmp_path), tmp_path / "q.onnx"
    common = (model, "--calib", people(tmp_path), "--out", out, "--count", "24", "--no-figures")
    done = quantize(*common)
    assert done.returncode == 2
    assert "E-FEEDING-UNSTATED" in done.stderr
    assert not out.exists()
    done = quantize(*common, "--mean", "127.5", "--std", "127.5", "--colour", "RGB")
    assert done.returncode == 0, done.stderr
    assert "fed rgb-scaled (stated)" in done.stdout
    assert "in INT8: 11 of 12 convolutions and matrix products" in done.stdout


def test_a_folder_that_does_not_say_who_is_who_is_no_way_around_it(
    folder: Path, tmp_path: Path
) -> None:
    """Rendered people are asked: a network of random weights knows none of them."""
    model, out, flat = foreign(folder, tmp_path), tmp_path / "q.onnx", tmp_path / "flat"
    flat.mkdir()
    for number, picture in enumerate(smooth_pictures(24)):
        Image.fromarray(picture).save(flat / f"{number}.png")
    common = (model, "--calib", flat, "--out", out, "--count", "16", "--no-figures")
    done = quantize(*common, "--mean", "127.5", "--std", "127.5")
    assert done.returncode == 2
    assert "E-FEEDING" in done.stderr
    done = quantize(*common, "--mean", "5000", "--std", "1", "--colour", "RGB")
    assert done.returncode == 2
    assert "rendered faces" in done.stderr
    assert not out.exists()


def test_under_the_floor_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    options = ("--count", "24", "--no-figures", "--floor", "0.99999")
    done = quantize(folder / "model.onnx", "--calib", folder / "faces", "--out", out, *options)
    assert done.returncode == 3
    assert "E-INT8-FLOOR" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_is_not_there_is_not_kept(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    options = ("--count", "24", "--keep", "/inner/inner.2/inner.2.0/Konv")
    done = quantize(folder / "model.onnx", "--calib", folder / "faces", "--out", out, *options)
    assert done.returncode == 2
    assert "E-KEEP" in done.stderr
    assert "Did you mean /inner/inner.2/inner.2.0/Conv" in done.stderr
    assert not out.exists()
