"""The last stages: the gates, the report, the bundle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embedge import __version__
from embedge.bench.results import Latency
from embedge.calibration.evaluation.figures import Acquisition, FloatLayer
from embedge.calibration.evaluation.subjects import SET_ON
from embedge.calibration.evaluation.worst import ScoredPair
from embedge.doctor.packages import versions_of
from embedge.files import sha256_file
from embedge.pipeline.golden_file import golden_file
from embedge.pipeline.proving.faults import threshold_pictures
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.checks import roles_in
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.students import load_student, shares_space
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.pipeline.stages.ship.artifacts import contract_of
from embedge.pipeline.stages.ship.gates import gates_of
from embedge.pipeline.stages.ship.int8 import float_layers
from embedge.pipeline.stages.ship.latency import latency_of
from embedge.pipeline.stages.ship.parity_result import (
    ArtifactParity,
    ParityResult,
    ScoredPlaces,
    student,
)
from embedge.pipeline.stages.ship.proof import parity_of
from embedge.printed import now_in_utc
from embedge.report.gate.measurand import OWN
from embedge.report.model import (
    SCHEMA,
    Artifact,
    Curve,
    Evaluation,
    Model,
    Provenance,
    Report,
    Skippable,
    Skipped,
    Space,
    Tested,
    Training,
    Verdict,
    Worst,
)
from embedge.report.render.pictures import worst_section
from embedge.report.write import write_report
from embedge.runtime.bundle.bundle import Artifact as Graph
from embedge.runtime.bundle.writer import write_bundle
from embedge.runtime.encoders.bundled import runtime_of
from embedge.runtime.selftest.golden import GOLDEN
from embedge.train.data import FaceSet
from embedge.train.models.cost import NetworkCost
from embedge.train.models.tail import Tailed
from embedge.train.teachers.teacher import Teacher
from embedge.typed import plain, structured

__all__ = ["Chain", "Told", "artifact_of", "publish_bundle", "report_of", "report_stage"]

_PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "tensorrt", "pillow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the report of a run is made from, wherever it was kept."""

    recipe: Recipe
    command: str
    space: Space
    parity: ParityResult
    faces: FaceSet
    acquisition: Acquisition
    models: tuple[Model, ...]
    artifacts: tuple[Artifact, ...]
    skipped: tuple[Skipped, ...]
    latency: Latency
    curves: tuple[Curve, ...]
    provenance: Provenance


def report_of(told: Told) -> Report:
    recipe, parity = told.recipe, told.parity
    return Report(
        created=now_in_utc(),
        title=f"{recipe.name}: {recipe.distill.method} student on {parity.dataset.name}",
        command=told.command,
        verdict=Verdict.of(gates_of(recipe, parity)),
        space=told.space,
        models=told.models,
        artifacts=told.artifacts,
        skipped=told.skipped,
        evaluation=_evaluation(told),
        latency=told.latency,
        worst=_worst(parity, told.faces, shown=recipe.evaluate.pictures),
        training=Training(told.curves),
        provenance=told.provenance,
    )


def _evaluation(told: Told) -> Evaluation:
    """Findings name faces only where the report may show them."""
    parity, named = told.parity, told.recipe.evaluate.pictures
    seen = told.acquisition if named else replace(told.acquisition, failures={})
    faults = parity.findings
    return Evaluation(
        parity.dataset,
        parity.comparisons,
        findings=faults if named else tuple(replace(one, examples=()) for one in faults),
        tested=(Tested(student("fp32"), seen),),
        zoo=parity.zoo,
    )


def artifact_of(
    name: str, path: Path, opset: int, found: ArtifactParity, layers: Sequence[FloatLayer] = ()
) -> Artifact:
    return Artifact(
        name=name,
        file=path.name,
        bytes=path.stat().st_size,
        sha256=sha256_file(path),
        precision=name.partition("-")[0],
        opset=opset,
        provider=found.provider,
        cosine_to_torch=found.cosine,
        threshold=found.threshold,
        shortage=found.shortage,
        float_layers=tuple(layers),
    )


def _worst(parity: ParityResult, faces: FaceSet, *, shown: bool) -> Worst:
    line = next((one.line for one in parity.comparisons if one.key == OWN), None)

    def pairs(places: Sequence[ScoredPlaces]) -> list[ScoredPair]:
        return [ScoredPair(place.a, place.b, place.cosine) for place in places]

    return worst_section(
        pairs(parity.worst.impostors),
        pairs(parity.worst.genuines),
        comparison=str(student("fp32")),
        line=line,
        label=lambda row: faces.identities[faces.labels[row]],
        picture=(lambda row: np.asarray(faces.images[row])) if shown else None,
    )


class Chain:
    """The finished stages that a report tells of."""

    def __init__(self, recipe: Recipe, stages: dict[str, Stage], graphs: dict[str, Path]):
        self.recipe, self.stages, self.graphs = recipe, stages, graphs

    def __getitem__(self, name: str) -> Stage:
        return self.stages[name]

    @property
    def parity(self) -> ParityResult:
        return parity_of(self["parity"])

    def artifacts(self) -> tuple[Artifact, ...]:
        found, opset = self.parity.artifacts, self.recipe.export.opset
        return tuple(
            artifact_of(name, path, opset, found[name], self._float_layers(name))
            for name, path in self.graphs.items()
        )

    def _float_layers(self, artifact: str) -> tuple[FloatLayer, ...]:
        return structured(tuple[FloatLayer, ...], float_layers(self["int8"], artifact))


def report_stage(run: Run, chain: Chain, command: str) -> Stage:
    def work(folder: Path) -> dict[str, Any]:
        report = report_of(_told(chain, command))
        write_report(report, folder)
        return {"passed": report.verdict.passed}

    inputs = {"version": __version__, "schema": SCHEMA}
    return run.stage("report", inputs, list(chain.stages.values()), work)


def publish_bundle(run: Run, chain: Chain, report: Stage) -> Path:
    """Put bundle and report where the user looks for them: on top of the run folder."""
    recipe = chain.recipe
    graphs = [
        Graph(one.name, one.file, one.precision, one.opset, one.threshold, runtime_of(one.name))
        for one in chain.artifacts()
    ]
    files = {path.name: path for path in chain.graphs.values()}
    plans = {f"engines/{path.name}": path for path in chain["engines"].folder.glob("*.plan*")}
    mixed = {path.name: path for path in chain["int8"].folder.glob("*.plan.json")}
    pages = {name: report.folder / name for name in ("report.html", "report.json")}
    contract = contract_of(chain["teacher"], chain["student"])
    golden = {GOLDEN: golden_file(chain.graphs, contract)}
    return write_bundle(
        run.folder / f"{recipe.name}.embedge",
        name=recipe.name,
        contract=contract,
        artifacts=graphs,
        files={**files, **mixed, **plans, **pages, **golden},
        provenance=_provenance(chain).facts(),
        default_artifact=latency_of(chain["bench"]).verify_artifact or "fp32",
        extras=_thresholds(chain),
    )


def _thresholds(chain: Chain) -> dict[str, Any]:
    """More than a manifest's one threshold: for 1:N policies, and for the teacher's gallery."""
    facts = chain.parity.artifacts
    faces = FaceSet.load(chain["held-out"].folder)
    return {
        SET_ON: threshold_pictures(faces, roles_in(faces, chain.recipe)),
        "thresholds": {name: plain(found.thresholds) for name, found in facts.items()},
        "thresholds_against_teacher": {
            name: plain(found.threshold_against_teacher) for name, found in facts.items()
        },
        "threshold_shortages": {
            name: plain(found.shortage) for name, found in facts.items() if found.shortage
        },
    }


def _told(chain: Chain, command: str) -> Told:
    contract = contract_of(chain["teacher"], chain["student"])
    return Told(
        recipe=chain.recipe,
        command=command,
        space=Space(contract.space, teacher_of(chain["teacher"]).digest, contract.digest),
        parity=chain.parity,
        faces=FaceSet.load(chain["held-out"].folder),
        acquisition=_acquisition(chain["held-out"]),
        models=tuple(_models(chain)),
        artifacts=chain.artifacts(),
        skipped=tuple(_skipped(chain)),
        latency=latency_of(chain["bench"]),
        curves=tuple(_curves(chain)),
        provenance=_provenance(chain),
    )


def _acquisition(held_out: Stage) -> Acquisition:
    """Of every network at once: a picture that cannot be decoded is one for none of them."""
    failed = held_out.facts.get("failed", {})
    return Acquisition.of(held_out.facts["images"] + len(failed), failed)


def _skipped(chain: Chain) -> list[Skipped]:
    reasons: dict[Skippable, str | None] = {"engines": chain["engines"].facts["skipped"]}
    if not shares_space(chain["student"]):
        reasons["cross-space"] = "this student has a space of its own: its people enrol again"
    return [Skipped(stage, reason) for stage, reason in reasons.items() if reason]


def _models(chain: Chain) -> list[Model]:
    recipe = chain.recipe
    steps = _steps(recipe)
    network = load_student(recipe, chain["student"])
    source = f"shared head: {chain['head'].facts['source']}"
    models = [
        _teacher(chain, "teacher", source),
        Model("student", "student", recipe.distill.method, *_cost(network), steps),
    ]
    if "original-teacher" in chain.stages:
        models.append(_teacher(chain, "original-teacher", "the one above was made from it"))
    if "baseline" in chain.stages:
        cost = _cost(load_student(recipe, chain["baseline"]))
        shared = recipe.distill.method == "sh-kd"
        steps = _steps(recipe.of_first() if shared else recipe.of_baseline())
        models.append(Model(recipe.beside, "baseline", recipe.beside, *cost, steps))
    return models


def _steps(recipe: Recipe) -> str:
    return f"{recipe.student.train.length} of {recipe.student.train.batch}"


def _teacher(chain: Chain, stage: str, note: str) -> Model:
    teacher = teacher_of(chain[stage])
    return Model(stage.replace("-", " "), "teacher", teacher.kind, *_cost(teacher), note)


def _cost(network: Tailed | Teacher) -> tuple[int, int, int | None]:
    cost = network.cost() if isinstance(network, Teacher) else NetworkCost.of(network)
    return cost.parameters, network.dim, cost.macs


def _curves(chain: Chain) -> list[Curve]:
    named = {
        "original-teacher": "original teacher",
        "teacher": "teacher",
        "student": chain.recipe.distill.method,
        "baseline": chain.recipe.beside,
    }
    curves = []
    for stage, name in named.items():
        facts = chain[stage].facts if stage in chain.stages else {}
        for log in filter(None, (facts.get("watch"), facts.get("curves"))):
            curves.append(_curve(name, log))
    for name, found in chain["int8"].facts.get("curves", {}).items():
        curves.append(_curve(name, found))
    return curves


def _curve(name: str, log: dict[str, list[Any]]) -> Curve:
    series = {quantity: tuple(values) for quantity, values in log.items() if quantity != "step"}
    return Curve(name, tuple(log["step"]), series)


def _weight_licence(recipe: Recipe) -> str | None:
    """Ours is known; of a teacher of the user's, only what the recipe states."""
    ours = recipe.data.source == "rendered" and recipe.teacher.source != "file"
    known = "Apache-2.0 (trained on rendered faces only)" if ours else None
    return recipe.export.licence or known


def _data_licence(recipe: Recipe) -> str | None:
    rendered = recipe.data.source == "rendered"
    return "rendered by embedge: no real person" if rendered else recipe.data.licence


def _provenance(chain: Chain) -> Provenance:
    recipe = chain.recipe
    built = sorted(chain["engines"].folder.glob("*.plan"))
    return Provenance(
        more={"engines": {path.name: sha256_file(path) for path in built}} if built else {},
        versions=versions_of(_PACKAGES),
        teacher_digest=teacher_of(chain["teacher"]).digest,
        data_fingerprint=faces_of(chain["faces"]).fingerprint,
        held_out_fingerprint=chain.parity.dataset.fingerprint,
        calibration_sha256=chain["calibrate"].facts["sha256"],
        seed=recipe.seed,
        weight_licence=_weight_licence(recipe),
        data_licence=_data_licence(recipe),
        recipe=recipe.to_json(),
    )
