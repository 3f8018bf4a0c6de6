import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from sample_report import sample_report
from tiny_graphs import contract, graph_file

from embedge.cli import main
from embedge.errors import EmbedgeError
from embedge.export.engines.check import BOUNDS
from embedge.files import sha256_file, write_json
from embedge.report.model import Space
from embedge.report.read import read_report
from embedge.runtime import Artifact, Bundle, FaceMatcher, write_bundle
from embedge.runtime.bundle.signature import sign_bundle
from embedge.runtime.bundle.signing_keys import new_signing_key
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.of_bundle import tensorrt_encoder_from_bundle
from embedge.typed import plain

pytestmark = pytest.mark.skipif(
    os.environ["FAKE_TENSORRT"] != "10", reason="the command is the same for every generation"
)
NAMES = {"fp32": "fp32", "fp16": "fp16", "int8-trt": "int8"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    graphs = {name: graph_file(tmp_path / f"{name}.onnx", kind) for name, kind in NAMES.items()}
    return write_bundle(
        tmp_path / "lock.embedge",
        name="lock",
        contract=contract(),
        artifacts=[Artifact(n, f"student.{n}.onnx", k, 17, None) for n, k in NAMES.items()],
        files={f"student.{name}.onnx": path for name, path in graphs.items()},
        provenance={"teacher_digest": "t" * 64, "calibration_sha256": "c" * 64},
        default_artifact="fp32",
    )


@pytest.fixture
def embedge(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


def faces(folder: Path, count: int = 6) -> Path:
    folder.mkdir()
    for seed in range(count):
        coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
        Image.fromarray(coarse).resize((112, 112)).save(folder / f"{seed}.png")
    return folder


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_engine_joins_the_bundle_and_runs_from_it(
    bundle: Path, tmp_path: Path, embedge: Callable[..., tuple[int, str, str]], precision: str
) -> None:
    crops = faces(tmp_path / "faces")
    code, out, err = embedge(
        *("build-engine", bundle, "--precision", precision, "--faces", crops),
        *("--seconds", 0.2, "--timing-cache", tmp_path / "timings"),
    )
    assert code == 0, err
    assert "lowest 1.00000 of 6 faces" in out
    assert "Fake GPU" in out
    name = "int8-trt" if precision == "int8" else precision
    with Bundle.open(bundle) as opened:
        (plan,) = (file for file in opened.files if file.endswith(".plan"))
        assert plan.startswith(f"engines/{name}.sm87.tensorrt-")
        card = json.loads(opened.read(f"{plan}.json"))
        assert card["calibration_sha256"] == "c" * 64
        assert json.loads(opened.read(f"{plan}.layers.json"))
        images = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3), np.uint8)
        with (
            tensorrt_encoder_from_bundle(opened, name) as engine,
            OrtEncoder(opened.read(f"student.{name}.onnx")) as graph,
        ):
            np.testing.assert_allclose(engine.embed(images), graph.embed(images), atol=1e-6)


def test_the_matcher_runs_the_engine_it_is_asked_for(
    bundle: Path, tmp_path: Path, embedge: Callable[..., tuple[int, str, str]]
) -> None:
    crops = faces(tmp_path / "faces")
    code, _, err = embedge(
        *("build-engine", bundle, "--precision", "int8", "--seconds", 0.1, "--faces", crops),
        *("--timing-cache", tmp_path / "timings"),
    )
    assert code == 0, err
    pictures = [str(crops / "0.png"), str(crops / "1.png")]
    with (
        FaceMatcher.load(bundle, "int8-trt", require_provider="TensorRT") as engine,
        FaceMatcher.load(bundle, "int8-trt") as graph,
    ):
        assert engine.provider.startswith("TensorRT 10.3.1 int8 (Fake GPU, sm_87")
        np.testing.assert_allclose(engine.embed(pictures), graph.embed(pictures), atol=1e-6)
    with pytest.raises(EmbedgeError, match="no engine of 'fp16'"):
        FaceMatcher.load(bundle, "fp16", require_provider="TensorRT")


def test_the_devices_report_fits_the_schema(
    bundle: Path, tmp_path: Path, embedge: Callable[..., tuple[int, str, str]]
) -> None:
    path = tmp_path / "device.json"
    code, out, err = embedge(
        *("build-engine", bundle, "--precision", "fp32", "--seconds", 0.2, "--batch", "1,2,4"),
        *("--report", path, "--timing-cache", tmp_path / "timings", "--json"),
    )
    assert code == 0, err
    assert json.loads(out)["batches"] == [1, 2, 4]
    report = read_report(path)
    assert report.verdict.passed is True
    assert report.latency
    assert [row.batch for row in report.latency.artifacts] == [1, 4]
    assert report.artifacts[0].sha256 == json.loads(out)["plan_sha256"]
    assert report.space == Space(contract().space, "t" * 64, contract().digest)
    assert report.latency.machine.gpu == "Fake GPU"
    base = replace(sample_report(), space=report.space)
    write_json(tmp_path / "report.json", plain(base))
    code, out, err = embedge("report", "merge", tmp_path / "report.json", path, "--out", tmp_path)
    assert code == 0, err
    merged = read_report(tmp_path / "report.json")
    assert report.artifacts[0] in merged.artifacts
    assert report.verdict.gates[0] in merged.verdict.gates


def test_a_signed_bundle_is_left_alone_unless_told(
    bundle: Path, tmp_path: Path, embedge: Callable[..., tuple[int, str, str]]
) -> None:
    new_signing_key(tmp_path / "key.pem")
    sign_bundle(bundle, tmp_path / "key.pem")
    build = ["build-engine", bundle, "--precision", "fp32", "--seconds", 0.1]
    build += ["--faces", faces(tmp_path / "faces"), "--timing-cache", tmp_path / "timings"]
    code, _, err = embedge(*build)
    assert (code, "E-BUNDLE-SIGNED" in err) == (2, True), err
    with Bundle.open(bundle) as opened:
        assert opened.signature is not None
    code, _, err = embedge(*build, "--drop-signature")
    assert code == 0, err
    with Bundle.open(bundle) as opened:
        assert opened.signature is None
        assert any(file.endswith(".plan") for file in opened.files)


def test_an_engine_that_disagrees_stays_out(
    bundle: Path,
    tmp_path: Path,
    embedge: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(BOUNDS, "fp32", 1.1)
    before = {path.name: path.read_bytes() for path in bundle.iterdir() if path.is_file()}
    code, _, err = embedge(
        *("build-engine", bundle, "--precision", "fp32", "--seconds", 0.1),
        *("--faces", faces(tmp_path / "faces"), "--timing-cache", tmp_path / "timings"),
    )
    assert code == 3
    assert "E-ENGINE-PARITY" in err
    assert "bound 1.1" in err
    assert before == {path.name: path.read_bytes() for path in bundle.iterdir() if path.is_file()}
    assert not (bundle / "engines").exists()


def test_an_engine_of_an_older_graph_is_not_used(
    bundle: Path, tmp_path: Path, embedge: Callable[..., tuple[int, str, str]]
) -> None:
    embedge(
        *("build-engine", bundle, "--precision", "fp32", "--seconds", 0.1),
        *("--faces", faces(tmp_path / "faces"), "--timing-cache", tmp_path / "timings"),
    )
    with Bundle.open(bundle) as opened:
        files = {file: opened.read(file) for file in opened.files}
        files["student.fp32.onnx"] = graph_file(tmp_path / "new.onnx", opset=18).read_bytes()
        write_bundle(
            bundle,
            name="lock",
            contract=opened.contract,
            artifacts=opened.artifacts.values(),
            files=files,
            provenance={},
            default_artifact="fp32",
        )
    with (
        Bundle.open(bundle) as opened,
        pytest.raises(EmbedgeError, match="it holds no engine of this graph") as told,
    ):
        tensorrt_encoder_from_bundle(opened, "fp32")
    assert "embedge build-engine BUNDLE --artifact fp32" in told.value.remedy


@pytest.mark.parametrize(("int8", "kept"), [(0.5, "int8-trt"), (1.2, "fp16")])
def test_the_faster_of_int8_and_fp16_is_kept(
    bundle: Path,
    tmp_path: Path,
    embedge: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    int8: float,
    kept: str,
) -> None:
    monkeypatch.setattr("embedge.export.engines.race.medians", lambda *_, **__: [int8, 1.0])
    code, out, err = embedge(
        *("build-engine", bundle, "--seconds", 0.1, "--faces", faces(tmp_path / "faces")),
        *("--timing-cache", tmp_path / "timings", "--report", tmp_path / "device.json"),
    )
    assert code == 0, err
    why = f"timed in turns on this device: INT8 {int8:.3f} ms, FP16 1.000 ms"
    assert why in out
    with Bundle.open(bundle) as opened:
        (plan,) = (file for file in opened.files if file.endswith(".plan"))
        assert plan.startswith(f"engines/{kept}.sm87.")
        card = json.loads(opened.read(f"{plan}.json"))
        assert why in card["chosen"]
    (artifact,) = read_report(tmp_path / "device.json").artifacts
    assert artifact.note is not None
    assert why in artifact.note


def test_fp16_is_kept_where_int8_disagrees(
    bundle: Path,
    tmp_path: Path,
    embedge: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(BOUNDS, "int8", 1.1)
    code, out, err = embedge(
        *("build-engine", bundle, "--seconds", 0.1, "--faces", faces(tmp_path / "faces")),
        *("--timing-cache", tmp_path / "timings"),
    )
    assert code == 0, err
    assert "kept      INT8 differs from its graph: lowest cosine 1.00000, bound 1.1" in out
    assert [path.name[:5] for path in (bundle / "engines").glob("*.plan")] == ["fp16."]


def test_a_named_artifact_or_a_dla_leaves_nothing_to_choose(
    bundle: Path, tmp_path: Path, embedge: Callable[..., tuple[int, str, str]]
) -> None:
    common = ["--seconds", 0.1, "--faces", faces(tmp_path / "faces")]
    common += ["--timing-cache", tmp_path / "timings"]
    for arguments in (["--artifact", "int8-trt"], ["--dla", 0]):
        code, out, err = embedge("build-engine", bundle, *arguments, *common)
        assert code == 0, err
        assert "kept " not in out
    names = sorted(path.name for path in (bundle / "engines").glob("*.plan"))
    assert names == [f"{n}.tensorrt-10.3.1.plan" for n in ("fp16.sm87.dla0", "int8-trt.sm87")]


def test_an_onnx_file_gets_its_engine_beside_it(
    tmp_path: Path, embedge: Callable[..., tuple[int, str, str]]
) -> None:
    """A foreign file does not say how a picture enters: built, and told to be unchecked."""
    common = ["--seconds", 0.1, "--faces", faces(tmp_path / "faces")]
    common += ["--timing-cache", tmp_path / "timings"]
    ours = graph_file(tmp_path / "ours.onnx", "int8")
    code, out, err = embedge("build-engine", ours, *common)
    assert code == 0, err
    assert "parity    cosine to its graph: mean 1.00000" in out
    foreign = onnx.load(graph_file(tmp_path / "foreign.onnx", "fp16"))
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    code, out, err = embedge("build-engine", tmp_path / "foreign.onnx", *common)
    assert code == 0, err
    assert "check     not run: the file does not say how a picture enters it" in out
    for name, precision in (("ours", "int8"), ("foreign", "fp16")):
        plan = tmp_path / f"{name}.sm87.tensorrt-10.3.1.plan"
        card = EngineCard.read(plan)
        assert (card.precision, card.batches) == (precision, (1, 1, 1))
        assert card.plan_sha256 == sha256_file(plan)
        assert (tmp_path / f"{plan.name}.layers.json").is_file()
    code, _, err = embedge("build-engine", ours, *common, "--out", tmp_path / "a.plan")
    assert code == 0, err
    assert (tmp_path / "a.plan").is_file()


def test_an_onnx_file_whose_engine_disagrees_gets_none(
    tmp_path: Path, embedge: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for precision in BOUNDS:
        monkeypatch.setitem(BOUNDS, precision, 1.1)
    ours = graph_file(tmp_path / "ours.onnx")
    code, _, err = embedge(
        *("build-engine", ours, "--seconds", 0.1),
        *("--faces", faces(tmp_path / "faces"), "--timing-cache", tmp_path / "timings"),
    )
    assert (code, "E-ENGINE-PARITY" in err) == (3, True), err
    assert list(tmp_path.glob("*.plan*")) == []


def test_wrong_batches_and_unknown_artifacts_are_one_clear_line(
    bundle: Path, embedge: Callable[..., tuple[int, str, str]]
) -> None:
    for arguments, expected in (
        (["--batch", "4,2,1"], "E-ENGINE-OPTION"),
        (["--batch", "many"], "E-ENGINE-OPTION"),
        (["--artifact", "int4"], "E-ARTIFACT"),
        (["--dla", "0", "--precision", "fp32"], "E-ENGINE-OPTION"),
        (["--dla", "0", "--precision", "int8"], "E-ENGINE-OPTION"),
        (["--target", "rtx", "--sm", "86"], "E-ENGINE-OPTION"),
        (["--out", "e.plan"], "E-ENGINE-OPTION"),
    ):
        code, _, err = embedge("build-engine", bundle, *arguments)
        assert code == 2
        assert err.strip().splitlines()[-1].startswith(f"embedge: {expected}"), err
