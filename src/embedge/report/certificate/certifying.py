"""From a bundle, the model that enrolled, and faces, to a certificate."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from embedge.calibration.compatibility.measure import NewArtifact, compatibility
from embedge.calibration.compatibility.systems import People
from embedge.calibration.evaluation.embed import Embedded
from embedge.calibration.evaluation.figures import Acquisition
from embedge.calibration.evaluation.judge import Subject
from embedge.calibration.evaluation.subjects import STATED, EvaluatedModel, opened_model
from embedge.calibration.intervals.rates import CONFIDENCE
from embedge.calibration.people.splits import split_subjects
from embedge.errors import EmbedgeError
from embedge.files import sha256_file
from embedge.printed import now_in_utc
from embedge.progress import Progress
from embedge.report.certificate.certificate import (
    Certificate,
    CertifiedFaces,
    Claim,
    Criterion,
    Parties,
    verdict_of,
)
from embedge.report.papers.faces import (
    TestedFaces,
    data_faults,
    embed_all,
    require_unleaked,
    tested_faces,
)
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.contract import require_same_space
from embedge.runtime.encoders.preprocessing import FEEDINGS, fed_digest

__all__ = ["CertificateOrder", "certified"]

_PACKAGES = ("embedge", "numpy", "onnxruntime")


@dataclass(frozen=True, slots=True)
class CertificateOrder:
    """What `embedge certify` is told. No artifacts means all of the bundle's."""

    bundle: Path
    faces: Path
    old: str
    artifacts: Sequence[str]
    criterion: Criterion
    fmr: float
    margin: float
    per_person: int | None
    seed: int
    trained_on: Path | None
    cache: Path | None
    threads: int | None


def certified(asked: CertificateOrder, command: str, progress: Progress) -> Certificate:
    """Measure everything that the certificate states; what would prove nothing is refused."""
    with Bundle.open(asked.bundle) as bundle:
        names = list(asked.artifacts) or list(bundle.artifacts)
        known = [bundle.artifact(name) for name in names]
        old, source = _old_model(bundle, asked)
        manifest = hashlib.sha256(bundle.manifest).hexdigest()
        parties = Parties(
            bundle.name,
            manifest,
            bundle.contract.space,
            old.side,
            old.digest,
            source,
            tuple(name for name in bundle.artifacts if name not in names),
        )
    new = [opened_model(f"{asked.bundle}:{name}", threads=asked.threads) for name in names]
    for model in new:
        require_same_space(old.encoder.contract, model.encoder.contract)
    tested = tested_faces(asked.faces, asked.per_person, progress)
    checked = require_unleaked(tested, asked.trained_on)
    views = embed_all(tested, [old, *new], asked.cache, progress)
    good = np.logical_and.reduce([view.acquired for view in views])
    people = _people(tested, good, asked.seed)
    old_rows, *rows = (
        Subject(model.side, view.embeddings[good], model.encoder.contract)
        for model, view in zip([old, *new], views)
    )
    claim = Claim(
        asked.criterion, asked.fmr, asked.margin, CONFIDENCE, asked.per_person, asked.seed
    )
    with progress.task("comparing galleries and probes", len(new)) as task:
        paragon, artifacts = compatibility(
            old_rows,
            old.digest,
            [
                NewArtifact(subject, model.digest, artifact.precision)
                for subject, model, artifact in zip(rows, new, known)
            ],
            people,
            asked.fmr,
            seed=asked.seed,
            on_done=task.advance,
        )
    findings = data_faults(tested, views[0].embeddings, good)
    return Certificate(
        created=now_in_utc(),
        command=command,
        claim=claim,
        parties=parties,
        faces=CertifiedFaces(
            tested.fingerprint,
            len(np.unique(people.labels)),
            len(np.unique(people.labels[people.calibrate])),
            len(np.unique(people.tested)),
            len(people.tested),
            _acquisition(views),
            "checked" if checked else "not checked",
            tuple(replace(one, examples=()) for one in findings),
        ),
        paragon=paragon,
        artifacts=artifacts,
        verdict=verdict_of(claim, artifacts),
        versions={name: version(name) for name in _PACKAGES},
    )


def _people(tested: TestedFaces, good: np.ndarray, seed: int) -> People:
    labels = tested.labels[good]
    calibrate, judged = split_subjects(labels, seed)
    dataset = f"{tested.name} {tested.fingerprint[:12]}, threshold people, seed {seed}"
    return People(labels, calibrate, judged, dataset)


def _acquisition(views: Sequence[Embedded]) -> Acquisition:
    """A picture that one of the models could not embed is left out for all of them."""
    failed = {name: "" for view in views for name in view.failures}
    found = Acquisition.of(len(views[0].acquired), failed)
    return replace(found, failures={})  # names of pictures are names of people


def _old_model(bundle: Bundle, asked: CertificateOrder) -> tuple[EvaluatedModel, str]:
    """The model that enrolled: by its own word of the bundle's space, or by the bundle's of it."""
    model = opened_model(asked.old, threads=asked.threads)
    if model.contract_from in STATED:
        require_same_space(model.encoder.contract, bundle.contract)
        return model, model.contract_from
    feeding = _named_by(bundle, Path(asked.old))
    model.encoder.close()
    fed = opened_model(
        asked.old, space=bundle.contract.space, threads=asked.threads, preprocessing=feeding
    )
    return fed, f"the bundle names this very file as its teacher, fed {feeding}"


def _named_by(bundle: Bundle, old: Path) -> str:
    stated, file = bundle.provenance.get("teacher_digest"), sha256_file(old)
    for name in FEEDINGS:
        if stated == fed_digest(file, name):
            return name
    raise EmbedgeError(
        "E-CERTIFY-TEACHER",
        f"the bundle {bundle.name} was not made from this teacher (it names"
        f" {str(stated or 'none')[:16]})",
        where=old,
        remedy="Give the very file that the bundle was distilled from",
    )
