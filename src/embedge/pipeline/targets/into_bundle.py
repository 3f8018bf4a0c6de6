"""Convert a bundle's float graph for another runtime, prove it here, and add it to the bundle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from embedge.bench.artifacts import encoder_latency
from embedge.bench.machine.facts import machine
from embedge.bench.results import Latency
from embedge.calibration.evaluation.figures import Cosines, Side
from embedge.calibration.evaluation.judge import Subject, cosines_of, scores_of
from embedge.calibration.people.shortage import Shortage, carried_threshold
from embedge.errors import EmbedgeError, GateFailed
from embedge.export.engines.check import BOUNDS
from embedge.export.golden import golden_with
from embedge.export.targets import Converted
from embedge.pipeline.additions.rewriting import rewritten, writable
from embedge.pipeline.foreign.people import People
from embedge.report.device import device_report
from embedge.report.gate.defaults import FMR, INT8_COSINE_P1
from embedge.report.gate.measurand import FLOAT, Measurand
from embedge.report.model import Gate, Report, Verdict
from embedge.runtime.bundle.bundle import Artifact, Bundle
from embedge.runtime.encoders import Encoder
from embedge.runtime.encoders.bundled import encoder_from_bundle, encoder_of_files
from embedge.runtime.picture.images import RgbImage
from embedge.runtime.selftest.golden import GOLDEN
from embedge.runtime.selftest.selftest import golden_of
from embedge.runtime.threshold import Threshold
from embedge.typed import plain

if TYPE_CHECKING:
    from embedge.export.graph.surgery import Graph

__all__ = ["Precision", "Proven", "Target", "target_into_bundle"]

Target = Literal["ncnn", "litert", "executorch"]
Precision = Literal["fp32", "fp16", "int8"]
_JUDGED = 512  # pictures


@dataclass(frozen=True, slots=True)
class Proven:
    """What was added, how near it is to the float graph, and how both ran side by side."""

    artifact: Artifact
    bytes: int
    parity: Cosines
    latency: Latency
    report: Report


def target_into_bundle(
    folder: Path,
    target: Target,
    precision: Precision,
    crops: RgbImage,
    *,
    people: People | None = None,
    fmr: float = FMR,
    seconds: float,
    drop_signature: bool = False,
) -> Proven:
    """The bundle is replaced whole once the new artifact agrees with the float graph.

    A float conversion that agrees on `crops` decides as its graph does, so it takes over its
    thresholds. INT8 is another network: some of `people` calibrate it, others set a threshold for
    `fmr`, and those who judge are compared in place of `crops`.
    """
    if precision == "int8":
        crops = _judges(people)
    with writable(folder, "an artifact", drop_signature=drop_signature) as bundle:
        source = bundle.artifact(FLOAT)
        made = _CONVERTERS[target](bundle, precision, people)
        name = f"{precision}-{target}"
        files = {f"student.{precision}{ending}": data for ending, data in made.files.items()}
        artifact = replace(
            source, name=name, file=next(iter(files)), precision=precision, runtime=target
        )
        shortage = None
        if people is not None and precision == "int8":
            threshold, shortage = _own(bundle, artifact, files, people, fmr)
            artifact = replace(artifact, threshold=threshold)
        parity, latency = _proof(bundle, artifact, files, crops, seconds)
        golden = _golden(bundle, artifact, files)
        gate = _gate(artifact, parity)
        if not gate.passed:
            raise GateFailed(
                "E-TARGET-PARITY",
                f"{name} differs from {FLOAT}: {gate.what} is {gate.value:.5f}, bound {gate.bound}",
                remedy="Try --precision fp32; the bundle was left as it is",
            )
        _add(folder, bundle, artifact, {**files, **golden}, parity, made)
    with Bundle.open(folder) as bundle:
        report = _report(bundle, artifact, parity, gate, latency, shortage)
    return Proven(artifact, sum(map(len, files.values())), parity, latency, report)


def _ncnn(bundle: Bundle, precision: Precision, people: People | None) -> Converted:
    from embedge.export.targets.ncnn import ncnn_from_onnx
    from embedge.export.targets.ncnn_int8 import ncnn_int8_from_graph

    model = bundle.read(bundle.artifact(FLOAT).file)
    if people is not None and precision == "int8":
        return ncnn_int8_from_graph(_graph(model), people.calibration)
    return ncnn_from_onnx(model, bundle.contract.size, half=precision == "fp16")


def _litert(bundle: Bundle, precision: Precision, people: People | None) -> Converted:
    from embedge.export.targets.litert import litert_from_onnx, litert_int8_from_graph

    model = bundle.read(bundle.artifact(FLOAT).file)
    if people is not None and precision == "int8":
        return litert_int8_from_graph(_graph(model), people.calibration)
    return litert_from_onnx(model, half=precision == "fp16")


def _executorch(bundle: Bundle, precision: Precision, people: People | None) -> Converted:
    from embedge.export.targets.executorch import (
        executorch_from_network,
        executorch_int8_from_network,
    )
    from embedge.pipeline.targets.torch_network import torch_network

    if precision == "fp16":
        raise EmbedgeError(
            "E-TARGET-PRECISION",
            "XNNPACK keeps weights in 32 bits or in 8: in half precision its file is as large",
            remedy="Give --precision fp32 or int8",
        )
    network = torch_network(_graph(bundle.read(bundle.artifact(FLOAT).file)))
    if people is not None and precision == "int8":
        return executorch_int8_from_network(network, people.calibration, bundle.contract)
    return executorch_from_network(network, bundle.contract)


def _graph(model: bytes) -> "Graph":
    import onnx

    from embedge.export.graph.surgery import Graph

    return Graph.from_model(onnx.load_model_from_string(model))


_CONVERTERS: dict[Target, Callable[[Bundle, Precision, People | None], Converted]] = {
    "ncnn": _ncnn,
    "litert": _litert,
    "executorch": _executorch,
}


def _judges(people: People | None) -> RgbImage:
    if people is None:
        raise EmbedgeError(
            "E-TARGET-FACES",
            "INT8 calibrates on people, and sets its threshold on others",
            remedy="Add --faces DIR: aligned faces, PERSON/PICTURE",
        )
    return people.faces.images[people.roles.judge][:_JUDGED]


def _own(
    bundle: Bundle, artifact: Artifact, files: Mapping[str, bytes], people: People, fmr: float
) -> tuple[Threshold | None, Shortage | None]:
    """On people who neither calibrate nor judge; None where there are too few for any rate."""
    some, faces = people.roles.threshold, people.faces
    with encoder_of_files(artifact, files.__getitem__, bundle.contract, threads=1) as encoder:
        subject = Subject(Side("student", artifact.name), encoder.embed(faces.images[some]))
    scores = scores_of(subject, subject, faces.labels[some])
    digest = sha256(b"".join(files.values())).hexdigest()
    dataset = f"{faces.name} {faces.fingerprint[:12]}"
    return carried_threshold(scores, fmr, dataset=dataset, model=digest)


def _proof(
    bundle: Bundle,
    artifact: Artifact,
    files: Mapping[str, bytes],
    crops: RgbImage,
    seconds: float,
) -> tuple[Cosines, Latency]:
    """The same faces through both, then their times, interleaved, on one thread."""
    with (
        encoder_from_bundle(bundle, FLOAT, threads=1) as known,
        encoder_of_files(artifact, files.__getitem__, bundle.contract, threads=1) as new,
    ):
        parity = cosines_of(known.embed(crops), new.embed(crops))
        pair: list[tuple[str, int, Encoder]] = [(FLOAT, 1, known), (artifact.name, 1, new)]
        rows = encoder_latency(pair, crops, seconds=seconds)
    return parity, Latency(machine=machine(), artifacts=rows)


def _golden(bundle: Bundle, artifact: Artifact, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The bundle's golden vectors with the artifact's own answers beside the others'."""
    golden = golden_of(bundle)
    if golden is None:
        return {}
    with encoder_of_files(artifact, files.__getitem__, bundle.contract, threads=1) as encoder:
        told = golden_with(golden, artifact.name, artifact.precision, encoder)
    return {GOLDEN: told.to_bytes()}


def _add(
    folder: Path,
    bundle: Bundle,
    artifact: Artifact,
    files: Mapping[str, bytes],
    parity: Cosines,
    made: Converted,
) -> None:
    points = dict(bundle.extras.get("thresholds", {}))
    points.pop(artifact.name, None)
    if FLOAT in points and artifact.precision != "int8":
        points[artifact.name] = points[FLOAT]
    told = {"of": FLOAT, "cosine": plain(parity), "tools": made.tools}
    targets = {"targets": {**bundle.provenance.get("targets", {}), artifact.name: told}}
    extras = {"thresholds": points}
    rewritten(folder, bundle, files, artifact=artifact, provenance=targets, extras=extras)


def _gate(artifact: Artifact, parity: Cosines) -> Gate:
    name, whole = f"{artifact.name} parity", artifact.precision != "int8"
    low = "lowest cosine" if whole else "first percentile of the cosine"
    what = f"{low} between {artifact.name} and {FLOAT} on the same faces"
    value, bound = (
        (parity.min, BOUNDS[artifact.precision]) if whole else (parity.p1, INT8_COSINE_P1)
    )
    measures = Measurand("cosine-min" if whole else "cosine-p1", artifact.name, against=FLOAT)
    return Gate.of(measures, name, what, value, bound, "min")


def _report(
    bundle: Bundle,
    artifact: Artifact,
    parity: Cosines,
    gate: Gate,
    latency: Latency,
    shortage: Shortage | None,
) -> Report:
    """To be merged into the bundle's own."""
    report = device_report(bundle, (artifact.name,), latency)
    note = f"cosine to {FLOAT}: p1 {parity.p1:.6f}, lowest {parity.min:.6f} of {parity.n}"
    (row,) = report.artifacts
    provider = latency.artifacts[1].provider
    return replace(
        report,
        verdict=Verdict.of([gate]),
        artifacts=(replace(row, note=note, provider=provider, shortage=shortage),),
        title=f"{bundle.name}: {artifact.name}",
    )
