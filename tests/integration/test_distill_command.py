"""The one command, driven as a user drives it."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from called import called, started
from sample_report import sample_report

from embedge.report.device import device_report
from embedge.report.read import read_report
from embedge.runtime.bundle.bundle import Bundle
from embedge.typed import plain

TINY = Path(__file__).parent / "tiny.yaml"
FEW = ("--export.precisions", "[fp32]", "--no-baseline")  # what the student does not depend on


def command(out: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "embedge", "distill-and-export"),
        *("--recipe", str(TINY), "--out", str(out), *more),
    ]


def distill(
    out: Path, *more: object, run: Callable[..., CompletedProcess[str]] = called
) -> CompletedProcess[str]:
    return run("distill-and-export", "--recipe", TINY, "--out", out, *more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    result = distill(out, run=started)
    assert result.returncode == 0, result.stderr
    return out, result


def student_of(out: Path) -> bytes:
    (path,) = out.glob("stages/student-th-kd-*/student.safetensors")
    return path.read_bytes()


def test_the_bundle_opens_and_holds_what_it_promises(
    finished: tuple[Path, CompletedProcess[str]],
) -> None:
    out, _ = finished
    with Bundle.open(out / "tiny.embedge") as bundle:
        assert set(bundle.artifacts) == {"fp32", "fp16", "int8-cpu", "int8-trt"}
        timed = json.loads(bundle.read("report.json"))["latency"]
        assert bundle.default_artifact == timed["verify_artifact"]
        assert "hold" in timed["why"]
        assert bundle.contract.dim == 32
        assert bundle.contract.space.startswith("sha256:")
        assert {"report.html", "report.json", "golden.bin"} <= set(bundle.files)
        assert all(artifact.threshold is not None for artifact in bundle.artifacts.values())


def test_the_bundle_proves_itself(finished: tuple[Path, CompletedProcess[str]]) -> None:
    out, _ = finished
    for more in ((), ("--runtime", "openvino", "--artifact", "fp32")):
        done = called("selftest", out / "tiny.embedge", "--json", *more)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["passed"] is True
    assert (out / "tiny.embedge" / "golden.bin").stat().st_size <= 300_000


def test_graphs_for_openvino_and_for_npu_tools_are_made_and_run(
    finished: tuple[Path, CompletedProcess[str]], tmp_path: Path
) -> None:
    pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
    out = Path(shutil.copytree(finished[0], tmp_path / "tiny"))
    names = ["fp32", "int8-openvino", "int8-qdq"]
    done = distill(out, "--update", "--export.precisions", f"[{', '.join(names)}]")
    assert done.returncode == 0, done.stderr
    report = read_report(out / "tiny.embedge" / "report.json")
    ran_on = {one.name: one.provider for one in report.artifacts}
    assert list(ran_on) == names
    assert ran_on["int8-openvino"].startswith("OpenVINO")
    assert ran_on["int8-qdq"] == "CPUExecutionProvider"
    assert report.latency is not None
    assert {row.artifact for row in report.latency.artifacts} == set(names)
    with Bundle.open(out / "tiny.embedge") as bundle:
        assert bundle.default_artifact == "fp32"  # what the base install runs well
        assert bundle.artifact("int8-openvino").runtime == "openvino"
        contents = [bundle.read(bundle.artifact(name).file) for name in names]
        assert len(set(contents)) == 3
    proven = called("selftest", out / "tiny.embedge", "--json")
    assert proven.returncode == 0, proven.stdout
    assert [one["artifact"] for one in json.loads(proven.stdout)["artifacts"]] == names


def test_the_report_tells_the_whole_story(finished: tuple[Path, CompletedProcess[str]]) -> None:
    out, result = finished
    report = read_report(out / "tiny.embedge" / "report.json")
    assert [model.role for model in report.models] == ["teacher", "student", "baseline"]
    names = {one.name for one in report.comparisons}
    assert {"teacher", "student fp32", "teacher / student int8-cpu", "scratch"} <= names
    assert report.training
    assert {curve.name for curve in report.training.curves} == {"teacher", "th-kd", "scratch"}
    if report.skipped:
        assert report.skipped[0].stage == "engines"
        assert "engines skipped: " + report.skipped[0].reason in result.stderr
    page = (out / "tiny.embedge" / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_the_sample_report_says_nothing_that_a_run_does_not_say(
    finished: tuple[Path, CompletedProcess[str]],
) -> None:
    """What all other tests of the report stand on."""
    out, _ = finished
    real, sample = read_report(out / "tiny.embedge" / "report.json"), sample_report()
    assert {one.key for one in sample.comparisons} <= {one.key for one in real.comparisons}
    assert [model.name for model in sample.models] == [model.name for model in real.models]
    told = [
        (
            {(one.name, one.file, one.precision) for one in report.artifacts},
            {row.stage for row in report.latency.verify},
        )
        for report in (sample, real)
    ]
    assert all(ours <= theirs for ours, theirs in zip(*told, strict=True)), told
    drifts = {(one.key, one.drift.reference) for one in sample.comparisons if one.drift}
    assert drifts <= {(one.key, one.drift.reference) for one in real.comparisons if one.drift}


def test_a_device_s_report_names_the_teacher(finished: tuple[Path, CompletedProcess[str]]) -> None:
    out, _ = finished
    real = read_report(out / "tiny.embedge" / "report.json")
    with Bundle.open(out / "tiny.embedge") as bundle:
        device = device_report(bundle, ["fp32"], real.latency)
    assert device.space == real.space
    assert len(device.space.teacher) == 64
    assert device.provenance.teacher_digest == device.space.teacher


def test_a_second_call_reuses_everything_quickly(
    finished: tuple[Path, CompletedProcess[str]],
) -> None:
    out, _ = finished
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    again = distill(out, run=started)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert again.returncode == 0, again.stderr
    stages = next(line for line in again.stderr.splitlines() if line.startswith("reused:"))
    assert stages.count(",") + 1 == len(list((out / "stages").iterdir()))
    assert "training" not in again.stderr
    assert after.ru_utime - before.ru_utime < 60  # whoever else computes here


def test_verify_runs_on_the_bundle(
    finished: tuple[Path, CompletedProcess[str]], tmp_path: Path
) -> None:
    from PIL import Image

    from embedge.train.render import FaceRenderer

    out, _ = finished
    faces = FaceRenderer(0).render(np.array([5, 5]), np.array([0, 1])).images
    for name, image in zip("ab", faces):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    result = subprocess.run(
        [
            *(sys.executable, "-m", "embedge", "verify", str(out / "tiny.embedge")),
            *(str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--json"),
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert -1 <= answer["cosine"] <= 1
    assert answer["match"] == (answer["cosine"] > answer["threshold"]["value"])


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_the_middle_it_resumes_to_the_same_student(
    finished: tuple[Path, CompletedProcess[str]], tmp_path: Path, blow: signal.Signals
) -> None:
    whole, _ = finished
    out = tmp_path / "tiny"
    process = subprocess.Popen(
        command(out, "--quiet", *FEW), stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    pattern = "stages/student-th-kd-*.part/*.training.safetensors"
    deadline = time.monotonic() + 300
    while not list(out.glob(pattern)) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(blow)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if blow == signal.SIGKILL else 130)
    if blow == signal.SIGINT:
        assert said.strip() == "embedge: stopped; whatever was finished is kept"
    assert not (out / "tiny.embedge").exists()
    resumed = distill(out, *FEW)
    assert resumed.returncode == 0, resumed.stderr
    assert "teacher: reused" in resumed.stderr
    assert student_of(out) == student_of(whole)
    assert not [p for p in (out / "stages").rglob("*") if p.name.endswith(".part")]


def test_a_missed_gate_exits_with_three_and_keeps_the_report(
    finished: tuple[Path, CompletedProcess[str]],
) -> None:
    out, _ = finished
    result = distill(out, "--update", "--evaluate.gates.cross_space_tar", "1.0")
    assert result.returncode == 3
    assert "E-GATE" in result.stderr
    assert "bound ≥ 100 %" in result.stderr
    assert "FAIL" in result.stdout
    assert "Traceback" not in result.stderr
    assert json.loads((out / "tiny.embedge" / "report.json").read_text())["verdict"] != {}


def test_training_inside_int8_is_a_stage(
    finished: tuple[Path, CompletedProcess[str]], tmp_path: Path
) -> None:
    """Everything before is reused; the graphs, their plans and the report change."""
    whole, _ = finished
    out = tmp_path / "tiny"
    shutil.copytree(whole, out)
    brief = ("--int8.qat.steps", "20", "--int8.qat.batch", "8")
    result = distill(out, "--update", *brief, "--int8.budget", "100")
    assert result.returncode == 0, result.stderr
    assert "onnx: reused" in result.stderr
    assert student_of(out) == student_of(whole)
    report = read_report(out / "tiny.embedge" / "report.json")
    assert report.training
    curves = {curve.name: curve for curve in report.training.curves}
    assert {"INT8 for int8-cpu", "INT8 for int8-trt"} <= set(curves)
    assert curves["INT8 for int8-cpu"].steps == (10, 20)
    for name in ("int8-cpu", "int8-trt"):
        (before,) = whole.glob(f"stages/int8-*/student.{name}.onnx")
        assert (out / "tiny.embedge" / before.name).read_bytes() != before.read_bytes()
        plan = json.loads((out / "tiny.embedge" / f"student.{name}.plan.json").read_text())
        (row,) = [row for row in report.artifacts if row.name == name]
        assert plan["float_layers"] == plain(row.float_layers)
        assert plan["budget_points"] == 100
    assert report.artifacts[-1].float_layers  # TensorRT's graph closes in float


def test_without_a_shared_head_int8_is_not_trained(
    finished: tuple[Path, CompletedProcess[str]], tmp_path: Path
) -> None:
    out = tmp_path / "tiny"
    shutil.copytree(finished[0], out)
    result = distill(out, "--update", "--method", "scratch", "--int8.qat.steps", "2")
    assert result.returncode == 2
    assert "E-QAT" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--recipe", "no-such"], "E-RECIPE-MISSING"),
        (["--demo", "--student.wdth", "1"], "E-RECIPE-KEY"),
        (["--demo", "--student.width"], "E-OPTION"),
        ([], "E-OPTION"),
        (["--demo", "--method", "magic"], "E-RECIPE-KEY"),
    ],
)
def test_mistakes_are_answered_without_a_traceback(
    tmp_path: Path, arguments: list[str], code: str
) -> None:
    result = called("distill-and-export", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"embedge: {code}: ")
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_another_recipe_stays_as_it_is(
    finished: tuple[Path, CompletedProcess[str]],
) -> None:
    out, _ = finished
    before = sorted(str(p) for p in out.rglob("*"))
    result = distill(out, "--seed", "9")
    assert result.returncode == 2
    assert "E-RUN-OTHER" in result.stderr
    assert "seed" in result.stderr
    assert sorted(str(p) for p in out.rglob("*")) == before


def test_every_rule_of_the_documented_policy_finds_its_subject(
    finished: tuple[Path, CompletedProcess[str]], tmp_path: Path
) -> None:
    out, _ = finished
    assert distill(out, "--update", "--evaluate.fmrs", "[0.2, 0.001]").returncode == 0
    page = Path(__file__).parents[2] / "docs" / "reference" / "policy.md"
    (example,) = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    (tmp_path / "policy.yaml").write_text(example)
    report = out / "tiny.embedge" / "report.json"
    done = called("gate", report, "--policy", tmp_path / "policy.yaml", "--json")
    assert done.returncode in (0, 3), done.stderr
    found = {check["rule"]: check for check in json.loads(done.stdout)["checks"]}
    whys = [check["why"] for check in found.values()]
    assert not [why for why in whys if re.search("no such|only$|not measured", why)]
    # four people in pairs cannot carry one in a thousand, and are told so
    tar = found["TAR of teacher / student int8-cpu at FMR 0.001"]
    assert tar["why"].startswith("insufficient data: FMR 0.001 needs")
    assert found["size of int8-cpu"]["passed"]
    assert len(found) >= 9
