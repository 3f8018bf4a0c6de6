"""The last stages: the gates, the report, the bundle."""

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from embedge import __version__
from embedge.calibration.evaluation.worst import ScoredPair
from embedge.files import sha256_file
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.students import load_student, shares_space
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.pipeline.stages.ship.artifacts import contract_of
from embedge.pipeline.stages.ship.gates import gates_of
from embedge.pipeline.stages.ship.int8 import float_layers
from embedge.pipeline.stages.ship.latency import default_artifact
from embedge.pipeline.stages.ship.proof import findings_of
from embedge.report.render.pictures import worst_section
from embedge.report.write import write_report
from embedge.runtime.bundle.bundle import Artifact
from embedge.runtime.bundle.writer import write_bundle
from embedge.runtime.threshold import Threshold
from embedge.train.data import FaceSet
from embedge.train.models import MobileFaceNet
from embedge.train.models.cost import macs_of, parameters_of

__all__ = ["Chain", "publish_bundle", "report_stage"]

_PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "tensorrt", "pillow")


class Chain:
    """The finished stages that a report tells of."""

    def __init__(self, recipe: Recipe, stages: dict[str, Stage], graphs: dict[str, Path]):
        self.recipe, self.stages, self.graphs = recipe, stages, graphs

    def __getitem__(self, name: str) -> Stage:
        return self.stages[name]

    @property
    def findings(self) -> dict[str, Any]:
        return findings_of(self["parity"])

    def artifact_facts(self) -> list[dict[str, Any]]:
        facts = self.findings["artifacts"]
        return [
            {
                "name": name,
                "file": path.name,
                "bytes": path.stat().st_size,
                "sha256": sha256_file(path),
                "precision": name.partition("-")[0],
                "opset": self.recipe.export.opset,
                "provider": facts[name]["provider"],
                "cosine_to_torch": facts[name]["cosine"],
                "threshold": facts[name]["threshold"],
                "float_layers": float_layers(self["int8"], name),
            }
            for name, path in self.graphs.items()
        ]


def report_stage(run: Run, chain: Chain, command: str) -> Stage:
    def work(folder: Path) -> dict[str, Any]:
        report = _report(chain, command)
        write_report(report, folder)
        return {"passed": report["verdict"]["passed"]}

    return run.stage("report", {"version": __version__}, list(chain.stages.values()), work)


def publish_bundle(run: Run, chain: Chain, report: Stage) -> Path:
    """Put bundle and report where the user looks for them: on top of the run folder."""
    recipe = chain.recipe
    artifacts = [
        Artifact(
            name=row["name"],
            file=row["file"],
            precision=row["precision"],
            opset=row["opset"],
            threshold=Threshold.from_json(row["threshold"]) if row["threshold"] else None,
        )
        for row in chain.artifact_facts()
    ]
    files = {path.name: path for path in chain.graphs.values()}
    plans = {f"engines/{path.name}": path for path in chain["engines"].folder.glob("*.plan*")}
    mixed = {path.name: path for path in chain["int8"].folder.glob("*.plan.json")}
    pages = {name: report.folder / name for name in ("report.html", "report.json")}
    contract = contract_of(chain["teacher"], chain["student"])
    return write_bundle(
        run.folder / f"{recipe.name}.embedge",
        name=recipe.name,
        contract=contract,
        artifacts=artifacts,
        files={**files, **mixed, **plans, **pages},
        provenance=_provenance(chain),
        default_artifact=default_artifact(chain.graphs),
        extras=_thresholds(chain),
    )


def _thresholds(chain: Chain) -> dict[str, Any]:
    """More than a manifest's one threshold: for 1:N policies, and for the teacher's gallery."""
    facts = chain.findings["artifacts"]
    return {
        "thresholds": {name: found["thresholds"] for name, found in facts.items()},
        "thresholds_against_teacher": {
            name: found["threshold_against_teacher"] for name, found in facts.items()
        },
    }


def _report(chain: Chain, command: str) -> dict[str, Any]:
    recipe, findings = chain.recipe, chain.findings
    contract = contract_of(chain["teacher"], chain["student"])
    gates = gates_of(recipe, findings)
    return {
        "schema": "embedge.report/1",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "title": f"{recipe.name}: {recipe.distill.method} student on {findings['dataset']['name']}",
        "command": command,
        "verdict": {"passed": all(gate["passed"] for gate in gates), "gates": gates},
        "space": {
            "id": contract.space,
            "teacher": teacher_of(chain["teacher"]).digest,
            "contract_digest": contract.digest,
        },
        "models": _models(chain),
        "artifacts": chain.artifact_facts(),
        "skipped": _skipped(chain),
        "evaluation": {"dataset": findings["dataset"], "comparisons": findings["comparisons"]},
        "latency": json.loads((chain["bench"].folder / "latency.json").read_text()),
        "worst": _worst(chain),
        "training": {"curves": _curves(chain)},
        "provenance": _provenance(chain),
    }


def _skipped(chain: Chain) -> list[dict[str, str]]:
    reasons = {"engines": chain["engines"].facts["skipped"]}
    if not shares_space(chain["student"]):
        reasons["cross-space"] = "this student has a space of its own: its people enrol again"
    return [{"stage": stage, "reason": reason} for stage, reason in reasons.items() if reason]


def _models(chain: Chain) -> list[dict[str, Any]]:
    recipe = chain.recipe
    steps = f"{recipe.student.train.steps} steps of {recipe.student.train.batch}"
    student = load_student(recipe, chain["student"])
    source = f"shared head: {chain['head'].facts['source']}"
    rows = [
        _teacher_row(chain, "teacher", source),
        {"name": "student", "role": "student", "method": recipe.distill.method, **_cost(student)},
    ]
    rows[1]["note"] = steps
    if "original-teacher" in chain.stages:
        rows.append(_teacher_row(chain, "original-teacher", "the one above was made from it"))
    if "baseline" in chain.stages:
        cost = _cost(load_student(recipe, chain["baseline"]))
        row = {"name": "scratch", "role": "baseline", "method": "scratch", **cost, "note": steps}
        rows.append(row)
    return rows


def _teacher_row(chain: Chain, stage: str, note: str) -> dict[str, Any]:
    teacher = teacher_of(chain[stage])
    facts = {"name": stage.replace("-", " "), "role": "teacher", "method": teacher.kind}
    return {**facts, **teacher.cost(), "dim": teacher.dim, "note": note}


def _cost(network: MobileFaceNet) -> dict[str, Any]:
    return {
        "parameters": parameters_of(network),
        "macs": macs_of(network),
        "dim": network.dim,
    }


def _curves(chain: Chain) -> list[dict[str, Any]]:
    named = {
        "original-teacher": "original teacher",
        "teacher": "teacher",
        "student": chain.recipe.distill.method,
        "baseline": "scratch",
    }
    curves = []
    for stage, name in named.items():
        facts = chain[stage].facts if stage in chain.stages else {}
        for log in filter(None, (facts.get("watch"), facts.get("curves"))):
            curves.append(_curve(name, log))
    for name, found in chain["int8"].facts.get("curves", {}).items():
        curves.append(_curve(name, found))
    return curves


def _curve(name: str, log: dict[str, Any]) -> dict[str, Any]:
    series = {quantity: values for quantity, values in log.items() if quantity != "step"}
    return {"name": name, "steps": log["step"], "series": series}


def _worst(chain: Chain) -> dict[str, Any]:
    found = chain.findings
    threshold = found["artifacts"]["fp32"]["threshold"]
    shown = chain.recipe.evaluate.pictures
    faces = FaceSet.load(chain["held-out"].folder)

    def pairs(kind: str) -> list[ScoredPair]:
        return [ScoredPair(row["a"], row["b"], row["cosine"]) for row in found["worst"][kind]]

    return worst_section(
        pairs("impostors"),
        pairs("genuines"),
        comparison="student fp32",
        threshold=threshold["value"] if threshold else None,
        label=lambda row: faces.identities[faces.labels[row]],
        picture=(lambda row: np.asarray(faces.images[row])) if shown else None,
    )


def _licences(recipe: Recipe) -> dict[str, str | None]:
    """Ours are known; of faces and teachers of the user's, only what the recipe states."""
    rendered = recipe.data.source == "rendered"
    ours = rendered and recipe.teacher.source != "file"
    weights = "Apache-2.0 (trained on rendered faces only)" if ours else None
    data = "rendered by embedge: no real person" if rendered else recipe.data.licence
    return {"data_licence": data, "weight_licence": recipe.export.licence or weights}


def _provenance(chain: Chain) -> dict[str, Any]:
    recipe = chain.recipe
    return {
        "versions": {"embedge": __version__, "python": platform.python_version(), **_versions()},
        "teacher_digest": teacher_of(chain["teacher"]).digest,
        "data_fingerprint": faces_of(chain["faces"]).fingerprint,
        "held_out_fingerprint": chain.findings["dataset"]["fingerprint"],
        "calibration_sha256": chain["calibrate"].facts["sha256"],
        "seed": recipe.seed,
        **_licences(recipe),
        "recipe": recipe.to_json(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
