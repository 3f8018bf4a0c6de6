"""The report and the bundle of a network that somebody already had."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedge.bench.results import Latency
from embedge.calibration.evaluation.figures import Acquisition
from embedge.calibration.evaluation.subjects import SET_ON
from embedge.calibration.evaluation.worst import ScoredPair
from embedge.doctor.packages import versions_of
from embedge.export.int8.budget.precision_plan import PrecisionPlan
from embedge.export.intake.intake import TakenIn
from embedge.files import sha256_file
from embedge.pipeline.foreign.people import People
from embedge.pipeline.golden_file import golden_file
from embedge.pipeline.proving.bounds import Bounds, comparison_of, proof_gates
from embedge.pipeline.proving.faults import threshold_pictures
from embedge.pipeline.stages.ship.parity_result import ParityResult, ScoredPlaces, student
from embedge.printed import now_in_utc
from embedge.report.gate.measurand import OWN
from embedge.report.model import (
    Artifact,
    Evaluation,
    Model,
    Provenance,
    Report,
    Space,
    Tested,
    Verdict,
    Worst,
)
from embedge.report.render.pictures import worst_section
from embedge.runtime.bundle.bundle import Artifact as Graph
from embedge.runtime.bundle.writer import write_bundle
from embedge.runtime.encoders.bundled import runtime_of
from embedge.runtime.encoders.preprocessing import fed_digest, named
from embedge.runtime.selftest.golden import GOLDEN
from embedge.typed import plain

__all__ = ["Told", "bounds_at", "bundle_from", "report_from"]

_CAME = "the network as it came"
_PACKAGES = ("onnx", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True, slots=True)
class Told:
    """All that report and bundle are made from."""

    command: str
    model: Path
    taken: TakenIn
    people: People
    graphs: Mapping[str, Path]
    plans: Mapping[str, PrecisionPlan]
    parity: ParityResult
    latency: Latency

    @property
    def name(self) -> str:
        return re.sub(r"[^A-Za-z0-9._-]", "-", self.model.stem).strip(".-") or "model"

    @property
    def digest(self) -> str:
        """What a teacher made from this file and feeding is named by."""
        return fed_digest(sha256_file(self.model), named(self.taken.feeding.way))

    def artifacts(self) -> Iterator[Artifact]:
        for name, path in self.graphs.items():
            found = self.parity.artifacts[name]
            layers = self.plans[name].float_layers() if name in self.plans else ()
            yield Artifact(
                name=name,
                file=path.name,
                bytes=path.stat().st_size,
                sha256=sha256_file(path),
                precision=name.partition("-")[0],
                opset=self.taken.graph.opset,
                provider=found.provider,
                cosine_to_torch=found.cosine,
                threshold=found.threshold,
                shortage=found.shortage,
                float_layers=layers,
            )


def bounds_at(fmr: float) -> Bounds:
    return Bounds(fmr=fmr, threshold_fmr=fmr, whom=_CAME, alone="fp32")


def report_from(told: Told, fmr: float, licence: str | None, seed: int) -> Report:
    parity, contract = told.parity, told.taken.contract
    return Report(
        created=now_in_utc(),
        title=f"{told.name}: a network as it came, on {parity.dataset.name}",
        command=told.command,
        verdict=Verdict.of(proof_gates(bounds_at(fmr), parity)),
        space=Space(contract.space, told.digest, contract.digest),
        models=(_model(told),),
        artifacts=tuple(told.artifacts()),
        evaluation=_evaluation(told),
        latency=told.latency,
        worst=_worst(told),
        provenance=_provenance(told, licence, seed),
    )


def _evaluation(told: Told) -> Evaluation:
    """A picture that cannot be decoded stops the command, so none is missing here."""
    parity, seen = told.parity, Acquisition.of(len(told.people.faces), {})
    return Evaluation(
        parity.dataset,
        parity.comparisons,
        findings=parity.findings,
        tested=(Tested(student("fp32"), seen),),
        zoo=parity.zoo,
    )


def _model(told: Told) -> Model:
    constants = told.taken.graph.constants.values()
    parameters = sum(v.size for v in constants if np.issubdtype(v.dtype, np.floating))
    feeding = told.taken.feeding
    note = f"fed {feeding.name}, {feeding.source}"
    return Model(told.name, "teacher", "as it came", parameters, told.taken.contract.dim, note=note)


def _worst(told: Told) -> Worst:
    faces, found = told.people.faces, told.parity
    alone = comparison_of(found, OWN)

    def pairs(places: tuple[ScoredPlaces, ...]) -> list[ScoredPair]:
        return [ScoredPair(place.a, place.b, place.cosine) for place in places]

    return worst_section(
        pairs(found.worst.impostors),
        pairs(found.worst.genuines),
        comparison=str(student("fp32")),
        line=alone.line if alone else None,
        label=lambda row: faces.identities[faces.labels[row]],
        picture=lambda row: np.asarray(faces.images[row]),
    )


def _provenance(told: Told, licence: str | None, seed: int) -> Provenance:
    feeding = told.taken.feeding
    return Provenance(
        versions=versions_of(_PACKAGES),
        teacher_digest=told.digest,
        data_fingerprint=told.people.faces.fingerprint,
        held_out_fingerprint=told.parity.dataset.fingerprint,
        calibration_sha256=told.people.calibration_sha256,
        seed=seed,
        weight_licence=licence,
        more={
            "original": {"file": told.model.name, "sha256": sha256_file(told.model)},
            "feeding": {
                "name": feeding.name,
                "source": feeding.source,
                "equal_error": feeding.rates,
            },
        },
    )


def bundle_from(told: Told, report: Report, folder: Path, out: Path) -> Path:
    """Seal graphs, plans, golden vectors and report."""
    files: dict[str, bytes | Path] = {path.name: path for path in told.graphs.values()}
    files |= {path.name: path for path in folder.glob("*.plan.json")}
    files |= {name: folder / name for name in ("report.html", "report.json")}
    files[GOLDEN] = golden_file(told.graphs, told.taken.contract)
    facts = told.parity.artifacts
    extras: dict[str, Any] = {
        SET_ON: threshold_pictures(told.people.faces, told.people.roles),
        "thresholds": {name: plain(found.thresholds) for name, found in facts.items()},
        "threshold_shortages": {
            name: plain(found.shortage) for name, found in facts.items() if found.shortage
        },
    }
    return write_bundle(
        out,
        name=told.name,
        contract=told.taken.contract,
        artifacts=[
            Graph(one.name, one.file, one.precision, one.opset, one.threshold, runtime_of(one.name))
            for one in report.artifacts
        ],
        files=files,
        provenance=report.provenance.facts(),
        default_artifact=told.latency.verify_artifact or "fp32",
        extras=extras,
    )
