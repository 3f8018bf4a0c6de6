"""A report by the product's own builder, from small synthetic embeddings: a second to make.

Nothing here names a comparison, a gate or an artifact by itself: the judge, the gates and the
report are those of a run. tests/integration/test_distill_command.py holds it beside a real one.
"""

import dataclasses
import functools
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from embedge.bench.results import Latency, Percentiles
from embedge.calibration.evaluation.figures import Acquisition, Side
from embedge.calibration.evaluation.judge import Subject
from embedge.pipeline.proving.judging import Views
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.stages.ship.parity_result import TEACHER, ParityResult, student
from embedge.pipeline.stages.ship.proof import parity_from_views
from embedge.pipeline.stages.ship.reporting import Told, artifact_of, report_of
from embedge.progress import Progress
from embedge.report.model import Curve, Model, Provenance, Report, Skipped, Space
from embedge.report.read import report_from_json
from embedge.report.render.pictures import without_pictures
from embedge.train.data import FaceSet
from embedge.typed import plain, structured

PEOPLE, EACH, DIM = 180, 6, 64
ERRORS = {"fp32": 1e-5, "fp16": 3e-3, "int8-cpu": 0.27}  # against the student in torch
WHOLE = ("end to end", 10.6)
SIZES = {"fp32": 4_812_331, "fp16": 2_436_871, "int8-cpu": 1_402_117}


def sample_report(*, pictures: bool = True) -> Report:
    """`pictures` False is the privacy mode."""
    return _made() if pictures else without_pictures(_made())


@functools.cache
def _made() -> Report:
    return _found()[0]


def sample_parity() -> ParityResult:
    """What the sample report was made from."""
    return _found()[1]


@functools.cache
def _found() -> tuple[Report, ParityResult]:
    rng = np.random.default_rng(7)
    recipe = sample_recipe()
    faces = _faces(rng)
    with tempfile.TemporaryDirectory() as folder:
        graphs = _graphs(Path(folder))
        parity = parity_from_views(
            recipe, faces, _views(rng, faces.labels), graphs, Progress(quiet=True)
        )
        artifacts = tuple(
            artifact_of(name, path, recipe.export.opset, parity.artifacts[name])
            for name, path in graphs.items()
        )
    told = Told(
        recipe=recipe,
        command="distill-and-export --demo --out runs/front-door",
        space=Space(f"sha256:{digest('teacher')[:32]}", digest("teacher"), digest("contract")),
        parity=parity,
        faces=faces,
        acquisition=Acquisition.of(len(faces), {}),
        models=_models(),
        artifacts=artifacts,
        skipped=(Skipped("engines", "TensorRT is not installed and there is no NVIDIA GPU here"),),
        latency=sample_latency(rng),
        curves=_curves(rng),
        provenance=_provenance(recipe),
    )
    report = report_of(told)
    return dataclasses.replace(report, created="2026-03-02T14:03:00+00:00"), parity


def edited(report: Report, edit: Callable[[Any], object]) -> Report:
    """The report with its JSON changed, read again: what no reader accepts is no sample."""
    value = plain(report)
    edit(value)
    return report_from_json(value)


def refute(value: Any) -> None:
    """The people judged match five times as often as a threshold for the teacher's gallery said."""
    held = [one for one in value["evaluation"]["comparisons"] if one["at_threshold"]]
    one = next(one for one in held if one["gallery"]["model"] == "teacher")
    low, key = one["at_threshold"]["fmr"]["low"], {side: one[side] for side in ("gallery", "probe")}
    one["at_threshold"]["promised"] = low / 5
    gates = {gate["measures"]["figure"]: gate for gate in value["verdict"]["gates"]}
    gate = gates["fmr-over-promise"]
    what = gate["what"].partition(" (worst")[0]
    gate.update(value=low / (low / 5), passed=False, worst=key, what=what)
    value["verdict"]["passed"] = False


def sample_recipe() -> Recipe:
    return Recipe.model_validate(
        {
            "name": "front door",
            "evaluate": {
                "fmrs": [1e-2, 1e-3, 1e-4, 1e-6],
                "threshold_fmr": 1e-2,
                "gate_fmr": 1e-2,
                "gates": {"tar_loss": 0.1, "cross_space_tar": 0.5},
            },
        }
    )


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _graphs(folder: Path) -> dict[str, Path]:
    graphs = {name: folder / f"student.{name}.onnx" for name in SIZES}
    for name, path in graphs.items():
        path.write_bytes(name.encode().ljust(SIZES[name], b"."))
    return graphs


def _views(rng: np.random.Generator, labels: NDArray[np.int64]) -> Views:
    """One shared space, met by teacher and student with their own errors; scratch has another."""
    centres = rng.normal(size=(PEOPLE, DIM))[labels]
    picture = 0.8 * rng.normal(size=centres.shape)

    def met(noise: float) -> NDArray[np.float64]:
        return centres + noise * (picture + 0.6 * rng.normal(size=centres.shape))

    def subject(side: Side, rows: NDArray[np.float64], error: float = 0.0) -> Subject:
        rows = rows + error * rng.normal(size=rows.shape)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return Subject(side, unit.astype(np.float32))

    rotation = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    learnt = met(1.06)
    return Views(
        teacher=subject(TEACHER, met(0.95)),
        student=subject(student("fp32"), learnt).rows,
        baseline=subject(Side("scratch"), met(1.25) @ rotation),
        original=None,
        artifacts={name: subject(student(name), learnt, ERRORS[name]) for name in SIZES},
        providers=dict.fromkeys(SIZES, "CPUExecutionProvider"),
        shared=True,
    )


def _models() -> tuple[Model, ...]:
    cost = {"parameters": 1_196_640, "macs": 221_000_000, "dim": 512}
    return (
        Model("teacher", "teacher", "trained", 24_030_000, 512, 2_640_000_000, "IResNet-18"),
        Model("student", "student", "th-kd", **cost, note="2000 steps of 128"),
        Model("scratch", "baseline", "scratch", **cost, note="2000 steps of 128"),
    )


def sample_latency(rng: np.random.Generator) -> Latency:
    def drawn(typical: float, n: int) -> dict[str, Any]:
        return plain(Percentiles.of(typical * (1 + rng.gamma(1.2, 0.06, n))))

    speeds = [("fp32", 9.4, 5.6), ("fp16", 10.9, 6.6), ("int8-cpu", 4.6, 3.1)]
    stages = [("decode", 3.2), ("align", 0.9), ("embed", 6.4), ("compare", 0.02)]
    section = {
        "machine": {
            "cpu": "Cortex-A76",
            "cores": 4,
            "memory_bytes": 8_200_000_000,
            "system": "Linux 6.6.31",
            "frequency_mhz": 2400.0,
            "governor": "performance",
        },
        "artifacts": [
            {
                "artifact": name,
                "threads": threads,
                "provider": "CPUExecutionProvider",
                "rounds": 5,
                "rejected": 1,
                **drawn(typical, 1200 if threads == 1 else 310),
            }
            for name, one, four in speeds
            for threads, typical in ((1, one), (4, four))
        ],
        "verify": [{"stage": stage, **drawn(typical, 420)} for stage, typical in [*stages, WHOLE]],
        "verify_artifact": "int8-cpu",
        "cold_start": {
            "artifact": "int8-cpu",
            "interpreter_s": 0.031,
            "import_s": 0.242,
            "load_s": 0.071,
            "first_s": 0.012,
            "peak_rss_bytes": 71_400_000,
            "threads": 4,
        },
        "peak_rss_bytes": 312_000_000,
        "pressure": {"other_cores": 0.03},
    }
    return structured(Latency, plain(section))


def _curves(rng: np.random.Generator) -> tuple[Curve, ...]:
    steps = tuple(range(0, 2001, 20))
    x = np.array(steps) / 2000

    def falling(top: float, low: float) -> tuple[float, ...]:
        values = low + (top - low) * np.exp(-4 * x) + 0.25 * rng.normal(size=len(x))
        return tuple(round(float(value), 3) for value in values)

    risen = tuple(round(float(0.98 * (1 - np.exp(-5 * at))), 3) for at in x[::10])
    return (
        Curve("th-kd", steps, {"loss": falling(24, 4.1)}),
        Curve("scratch", steps, {"loss": falling(22, 6.8)}),
        Curve("th-kd", steps[::10], {"rank-1": risen}),
    )


def _provenance(recipe: Recipe) -> Provenance:
    return Provenance(
        versions={"embedge": "0.1.0", "torch": "2.13.0", "onnxruntime": "1.31.1"},
        teacher_digest=digest("teacher"),
        data_fingerprint=digest("faces"),
        held_out_fingerprint=digest("held out"),
        calibration_sha256=digest("calibration"),
        seed=recipe.seed,
        weight_licence="Apache-2.0",
        data_licence="rendered, no person involved",
        recipe=recipe.to_json(),
    )


def _faces(rng: np.random.Generator) -> FaceSet:
    """Crude drawn faces: enough to see that pictures land where they belong."""
    labels = np.repeat(np.arange(PEOPLE), EACH)
    images = np.stack([_face(np.random.default_rng(int(label)), rng) for label in labels])
    people = tuple(f"person {number}" for number in range(PEOPLE))
    return FaceSet("held-out rendered faces", images, labels, people, digest("held out"))


def _face(person: np.random.Generator, nuisance: np.random.Generator) -> NDArray[np.uint8]:
    skin = tuple(int(v) for v in person.integers((150, 100, 70), (245, 200, 170)))
    hair = tuple(int(v) for v in person.integers(15, 110, 3))
    wide, tall = int(person.integers(32, 42)), int(person.integers(42, 52))
    x, y = 56 + int(nuisance.integers(-6, 7)), 60 + int(nuisance.integers(-4, 5))
    light = float(nuisance.uniform(0.6, 1.15))
    image = Image.new("RGB", (112, 112), tuple(int(v) for v in nuisance.integers(60, 190, 3)))
    draw = ImageDraw.Draw(image)
    draw.ellipse((x - wide - 4, y - tall - 8, x + wide + 4, y + tall - 12), fill=hair)
    draw.ellipse((x - wide, y - tall, x + wide, y + tall), fill=skin)
    for side in (-1, 1):
        draw.ellipse((x + side * 16 - 5, y - 12, x + side * 16 + 5, y - 5), fill=(30, 25, 25))
    draw.line((x, y - 4, x - 3, y + 12, x + 4, y + 13), fill=hair, width=2)
    draw.arc((x - 13, y + 14, x + 13, y + 28), 15, 165, fill=(120, 40, 45), width=3)
    lit = np.asarray(image.filter(ImageFilter.GaussianBlur(0.8)), float) * light
    return np.clip(lit + nuisance.normal(0, 5, lit.shape), 0, 255).astype(np.uint8)
