"""The bundle and the report tell the same of a run, and only what is known of it."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from face_sets import face_set
from sample_report import sample_latency
from tiny_bundles import tiny_contract, tiny_onnx, tiny_threshold
from tiny_school import run_in, tiny_recipe

from embedge.calibration.evaluation.figures import Cosines, FloatLayer
from embedge.calibration.people.shortage import Shortage
from embedge.files import sha256_file
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Stage
from embedge.pipeline.stages.ship import reporting
from embedge.pipeline.stages.ship.parity_result import ArtifactParity, ParityResult, WorstPlaces
from embedge.pipeline.stages.ship.reporting import Chain, artifact_of, publish_bundle
from embedge.report.model import Dataset
from embedge.runtime.bundle.bundle import Bundle
from embedge.typed import plain

COSINE = Cosines(0.99, 0.97, 0.9, 12)
CONTRACT = tiny_contract(8)


def parity(against_teacher: float | None) -> ArtifactParity:
    teachers = None if against_teacher is None else tiny_threshold(against_teacher)
    own, ladder = tiny_threshold(0.3), (tiny_threshold(0.4), tiny_threshold(0.5))
    return ArtifactParity("CPU", COSINE, own, None, teachers, ladder)


FOUND = {"fp32": parity(0.2), "int8-cpu": parity(None)}


def chain_of(folder: Path, recipe: Recipe) -> Chain:
    """The finished stages of a run that exported two graphs and built one engine."""
    facts = {"calibrate": {"sha256": "c" * 64}}
    made = ("faces", "held-out", "teacher", "student", "onnx", "int8", "engines", "calibrate")
    names = (*made, "parity", "bench")
    stages = {name: Stage(name, name, folder / name, facts.get(name, {})) for name in names}
    for stage in stages.values():
        stage.folder.mkdir()
    face_set().save(stages["held-out"].folder)
    layers = [{"node": "Conv_0", "macs_share": 0.25, "why": "the first"}]
    plan = stages["int8"].folder / "student.int8-cpu.plan.json"
    plan.write_text(json.dumps({"float_layers": layers}))
    (stages["engines"].folder / "student.fp32.plan").write_bytes(b"engine")
    dataset = Dataset("strangers", "d" * 64, identities=4, images=12)
    findings = ParityResult(dataset, FOUND, (), WorstPlaces((), ()))
    (stages["parity"].folder / "findings.json").write_text(json.dumps(plain(findings)))
    timed = replace(sample_latency(np.random.default_rng(1)), verify_artifact="int8-cpu")
    (stages["bench"].folder / "latency.json").write_text(json.dumps(plain(timed)))
    graphs = {name: folder / f"student.{name}.onnx" for name in FOUND}
    for seed, path in enumerate(graphs.values()):
        path.write_bytes(tiny_onnx(CONTRACT, seed=seed))
    return Chain(recipe, stages, graphs)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "contract_of", lambda *_: CONTRACT)
    monkeypatch.setattr(reporting, "teacher_of", lambda _: SimpleNamespace(digest="t" * 64))
    monkeypatch.setattr(reporting, "faces_of", lambda _: SimpleNamespace(fingerprint="f" * 64))


def published(tmp_path: Path, recipe: Recipe) -> Path:
    report = Stage("report", "r", tmp_path / "told", {})
    report.folder.mkdir()
    for name in ("report.html", "report.json"):
        (report.folder / name).write_text(name)
    (tmp_path / "run").mkdir()
    return publish_bundle(run_in(tmp_path / "run"), chain_of(tmp_path, recipe), report)


def test_an_artifact_is_told_by_the_bytes_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "student.int8-cpu.onnx"
    path.write_bytes(b"graph")
    layer = FloatLayer("Conv_0", 0.25, "the first")
    found = artifact_of("int8-cpu", path, 17, FOUND["int8-cpu"], [layer])
    assert (found.file, found.bytes, found.sha256) == (path.name, 5, sha256_file(path))
    assert (found.precision, found.opset, found.provider) == ("int8", 17, "CPU")
    assert (found.cosine_to_torch, found.threshold) == (COSINE, tiny_threshold(0.3))
    assert found.float_layers == (layer,)


def test_each_artifact_has_its_findings_and_its_own_float_layers(tmp_path: Path) -> None:
    fp32, int8 = chain_of(tmp_path, tiny_recipe(export__opset=15)).artifacts()
    assert (fp32.name, fp32.opset, fp32.float_layers) == ("fp32", 15, ())
    assert int8.float_layers == (FloatLayer("Conv_0", 0.25, "the first"),)


def test_the_bundle_holds_all_that_was_made_and_opens(tmp_path: Path) -> None:
    folder = published(tmp_path, tiny_recipe())
    assert folder == tmp_path / "run" / "tiny.embedge"
    with Bundle.open(folder) as bundle:
        assert set(bundle.files) >= {
            "student.fp32.onnx",
            "student.int8-cpu.onnx",
            "student.int8-cpu.plan.json",
            "engines/student.fp32.plan",
            "report.html",
            "report.json",
        }
        assert (bundle.name, bundle.contract) == ("tiny", CONTRACT)
        assert bundle.default_artifact == "int8-cpu"
        assert bundle.artifact("fp32").threshold == tiny_threshold(0.3)


def test_more_thresholds_are_kept_than_a_manifest_has_room_for(tmp_path: Path) -> None:
    with Bundle.open(published(tmp_path, tiny_recipe())) as bundle:
        ladder = bundle.extras["thresholds"]["fp32"]
        teachers = bundle.extras["thresholds_against_teacher"]
    assert [one["value"] for one in ladder] == [0.4, 0.5]
    assert teachers["fp32"]["value"] == 0.2
    assert teachers["int8-cpu"] is None


def test_a_looser_threshold_than_asked_for_is_told_in_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(FOUND["fp32"], shortage=Shortage(1e-3, 60, 78))
    monkeypatch.setitem(FOUND, "fp32", short)
    with Bundle.open(published(tmp_path, tiny_recipe())) as bundle:
        assert bundle.extras["threshold_shortages"] == {
            "fp32": {"asked": 1e-3, "people": 60, "needs": 78}
        }


def test_pictures_that_cannot_be_read_are_failures_to_acquire(tmp_path: Path) -> None:
    facts = {"images": 7, "failed": {"p1/0.jpg": "not a picture"}}
    seen = reporting._acquisition(Stage("held-out", "h", tmp_path, facts))
    assert (seen.attempted, seen.failed, seen.rate) == (8, 1, 0.125)
    assert reporting._acquisition(Stage("held-out", "h", tmp_path, {"images": 7})).failed == 0


@pytest.mark.parametrize(
    ("sections", "weights", "data"),
    [
        ({}, "Apache-2.0 (trained on rendered", "rendered by embedge"),
        ({"export__licence": "MIT"}, "MIT", "rendered by embedge"),
        ({"teacher__source": "file", "teacher__file": "t.onnx"}, None, "rendered by embedge"),
        ({"data__source": "faces", "data__licence": "own"}, None, "own"),
        ({"data__source": "faces"}, None, None),
    ],
)
def test_a_licence_is_told_only_where_it_is_known(
    tmp_path: Path, sections: dict[str, str], weights: str | None, data: str | None
) -> None:
    with Bundle.open(published(tmp_path, tiny_recipe(**sections))) as bundle:
        told = bundle.provenance
    for name, expected in (("weight_licence", weights), ("data_licence", data)):
        found = told.get(name)
        assert found is None if expected is None else found.startswith(expected)


def test_provenance_names_everything_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "_PACKAGES", ("numpy", "no-such-package-anywhere"))
    with Bundle.open(published(tmp_path, tiny_recipe())) as bundle:
        told = bundle.provenance
    assert told["versions"]["no-such-package-anywhere"] == "not installed"
    assert told["versions"]["numpy"][0].isdigit()
    digests = {"teacher_digest": "t", "data_fingerprint": "f", "held_out_fingerprint": "d"}
    for name, letter in {**digests, "calibration_sha256": "c"}.items():
        assert told[name] == letter * 64
