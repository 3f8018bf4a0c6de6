"""Foreign embedder → intake → graphs → thresholds → proof → timing → report → sealed bundle."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embedge.calibration.evaluation.embed import Encode, feature_chunks
from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject
from embedge.export.fp16 import fp16_from_onnx
from embedge.export.graph.canonical import canonical
from embedge.export.graph.channels import lower_prelu
from embedge.export.graph.running import Proof
from embedge.export.int8.budget.precision_plan import PrecisionPlan
from embedge.export.int8.placement import INT8
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.intake.feeding import ConfirmedFeeding
from embedge.export.intake.intake import Claims, TakenIn, looked_at, taken_in
from embedge.pipeline.additions.detector_in_bundle import detector_into_bundle, detector_kind
from embedge.pipeline.foreign.people import People, people_of
from embedge.pipeline.foreign.telling import Told, bounds_at, bundle_from, report_from
from embedge.pipeline.proving.bounds import passing
from embedge.pipeline.proving.judging import Operating, Rows, Views, parity_result
from embedge.pipeline.proving.timing import candidates, timed
from embedge.progress import Progress
from embedge.report.gate.defaults import FMRS
from embedge.report.model import Report
from embedge.report.write import write_report
from embedge.runtime.encoders import unit_rows
from embedge.runtime.encoders.bundled import encoder_on, importable, runtime_of

__all__ = ["Outcome", "Wanted", "bundled"]

_INT8 = ("int8-cpu", "int8-trt", "int8-openvino")
_PEOPLE = "people of a folder (not checked: whether the network learnt from them)"
_CROPS = 64
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user asks of a bundle."""

    model: Path
    faces: Path
    out: Path
    asked: Claims
    int8: bool
    detector: Path | None
    fmr: float
    count: int
    most: int
    seed: int
    seconds: float
    licence: str | None
    command: str


@dataclass(frozen=True, slots=True)
class Outcome:
    bundle: Path
    report: Report
    feeding: ConfirmedFeeding


def bundled(wanted: Wanted, progress: Progress) -> Outcome:
    """Write the bundle; whether its gates hold is for the report to say and the caller to ask."""
    looked_at(wanted.model, wanted.asked)
    if wanted.detector is not None:
        detector_kind(wanted.detector)
    people = people_of(wanted.faces, most=wanted.most, count=wanted.count, seed=wanted.seed)
    progress.say("taking the network in …")
    taken = taken_in(wanted.model, people.calibration, wanted.asked, people.confirming)
    with tempfile.TemporaryDirectory(prefix="embedge-bundle-") as scratch:
        folder = Path(scratch)
        graphs, plans = _graphs(wanted, taken, people, folder, progress)
        views = _views(taken, people, graphs, progress)
        operating = Operating(_rates(wanted.fmr), wanted.fmr, wanted.fmr, wanted.seed, _PEOPLE)
        found = parity_result(operating, people.faces, people.roles, views, graphs, progress)
        may = candidates(graphs, passing(bounds_at(wanted.fmr), found))
        pictures, seconds = people.faces.images, wanted.seconds
        latency = timed(graphs, may, pictures, progress, seconds=seconds, seed=wanted.seed)
        told = Told(wanted.command, wanted.model, taken, people, graphs, plans, found, latency)
        report = report_from(told, wanted.fmr, wanted.licence, wanted.seed)
        write_report(report, folder)
        place = bundle_from(told, report, folder, wanted.out)
        if wanted.detector is not None:
            detector_into_bundle(place, wanted.detector)
    return Outcome(place, report, taken.feeding)


def _rates(fmr: float) -> tuple[float, ...]:
    return tuple(sorted({*FMRS, fmr}, reverse=True))


def _graphs(
    wanted: Wanted, taken: TakenIn, people: People, folder: Path, progress: Progress
) -> tuple[dict[str, Path], dict[str, PrecisionPlan]]:
    """Files by artifact name, and the plans of those in INT8."""
    # what nothing runs here cannot be proven
    integer = [name for name in _INT8 if wanted.int8 and importable(runtime_of(name))]
    made = {INT8[name]: name for name in reversed(integer)}  # one file where the graph is one
    files = {"fp32": "fp32", "fp16": "fp16"} | {name: made[INT8[name]] for name in integer}
    graphs = {name: folder / f"{wanted.model.stem}.{file}.onnx" for name, file in files.items()}
    graph = taken.graph.copy()
    proof = Proof.of_graph(graph, people.calibration)
    canonical(graph, proof.after)
    lower_prelu(graph)
    proof.after("lower prelu", graph)
    graph.write(graphs["fp32"])
    fp16_from_onnx(taken.graph, graphs["fp16"], images=people.calibration[:_CROPS])
    plans: dict[str, PrecisionPlan] = {}
    with progress.task("quantising", len(made)) as task:
        for target, name in reversed(made.items()):
            plan = qdq_from_onnx(taken.graph, people.calibration, graphs[name], target=target)
            plans |= {one: plan for one in integer if made[INT8[one]] == name}
            task.advance()
    for name, plan in plans.items():
        plan.write(folder / f"{wanted.model.stem}.{name}.plan.json")
    return graphs, plans


def _views(taken: TakenIn, people: People, graphs: dict[str, Path], progress: Progress) -> Views:
    """The pictures through the network as it came and through every artifact."""
    original = unit_rows(_rows(people, taken.expected, "the network as it came", progress))
    artifacts, providers = {}, {}
    for name, path in graphs.items():
        with encoder_on(runtime_of(name), path) as encoder:
            rows = _rows(people, encoder.embed, name, progress)
            artifacts[name] = Subject(Side("student", name), rows, encoder.contract)
            providers[name] = encoder.provider
    whole = Subject(Side("teacher"), original)
    return Views(whole, original, None, None, artifacts, providers, shared=False)


def _rows(people: People, encode: Encode, what: str, progress: Progress) -> Rows:
    with progress.task(f"people, {what}", len(people.faces)) as task:
        chunks = list(feature_chunks(people.faces, encode, size=_BATCH, ticker=task))
    return np.concatenate([chunk.rows for chunk in chunks])
