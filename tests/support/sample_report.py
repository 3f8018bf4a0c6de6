"""A report as a real run would give it, from synthetic embeddings: seeded, a second to make."""

import copy
import functools
import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from embedge.calibration.evaluation.crossspace import Reference, compare
from embedge.calibration.evaluation.worst import worst_pairs
from embedge.calibration.pairs import pairs_between
from embedge.report.render.pictures import worst_section

PEOPLE, EACH, DIM = 80, 6, 64
RATES = (1e-2, 1e-3, 1e-4, 1e-6)
NOISE = {"teacher-r18": 0.95, "mbf-thkd": 1.06, "int8-cpu": 1.08, "mbf-scratch": 1.25}

PAIRS = [  # name, gallery, probe, what it takes the place of
    ("teacher – teacher", "teacher-r18", "teacher-r18", None),
    ("teacher gallery, student probe", "teacher-r18", "mbf-thkd", "teacher – teacher"),
    ("student – student", "mbf-thkd", "mbf-thkd", None),
    ("teacher gallery, INT8 probe", "teacher-r18", "int8-cpu", "teacher – teacher"),
    ("INT8 – INT8", "int8-cpu", "int8-cpu", "student – student"),
    ("scratch – scratch", "mbf-scratch", "mbf-scratch", None),
    ("teacher gallery, scratch probe", "teacher-r18", "mbf-scratch", None),
]


def sample_report(*, failed: bool = False, pictures: bool = True) -> dict[str, Any]:
    """`failed` breaks two gates; `pictures` False is the privacy mode."""
    return copy.deepcopy(_made(failed, pictures))


@functools.cache
def _made(failed: bool, pictures: bool) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    labels = np.repeat(np.arange(PEOPLE), EACH)
    spaces = _embeddings(rng, labels)
    comparisons = _comparisons(spaces, labels)
    images = _faces(rng, labels) if pictures else None
    threshold = comparisons[1]["threshold"]
    return {
        "schema": "embedge.report/1",
        "created": "2026-03-02T14:03:00+00:00",
        "title": "MobileFaceNet for the front door",
        "command": "distill-and-export --demo --out runs/front-door",
        "verdict": _verdict(failed),
        "space": {
            "id": "rendered-faces/iresnet18",
            "teacher": "teacher-r18",
            "contract_digest": digest("contract"),
        },
        "models": _models(),
        "artifacts": _artifacts(threshold),
        "skipped": [
            {
                "stage": "engines",
                "reason": "TensorRT is not installed and there is no NVIDIA GPU here",
            }
        ],
        "evaluation": {
            "dataset": {
                "name": "held-out rendered faces",
                "fingerprint": digest("faces")[:16],
                "identities": PEOPLE,
                "images": PEOPLE * EACH,
            },
            "comparisons": comparisons,
        },
        "latency": _latency(rng),
        "worst": _worst(spaces, labels, images, threshold),
        "training": {"curves": _curves(rng)},
        "provenance": _provenance(),
    }


def _worst(
    spaces: dict[str, Any], labels: NDArray[np.int64], images: Any, threshold: float
) -> dict[str, Any]:
    each = np.arange(len(labels))
    scores = pairs_between(
        spaces["teacher-r18"],
        labels,
        spaces["mbf-thkd"],
        labels,
        gallery_images=each,
        probe_images=each,
    )
    worst = worst_pairs(scores, 10)
    return worst_section(
        worst.impostors,
        worst.genuines,
        comparison="teacher gallery, student probe",
        threshold=threshold,
        label=lambda row: f"person {labels[row]}",
        picture=None if images is None else lambda row: images[row],
    )


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _embeddings(rng: np.random.Generator, labels: NDArray[np.int64]) -> dict[str, Any]:
    """One shared space, met by every model with its own error; scratch lives in another one."""
    centres = rng.normal(size=(PEOPLE, DIM))
    picture = rng.normal(size=(len(labels), DIM))
    rotation = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    spaces = {}
    for name, noise in NOISE.items():
        rows = centres[labels] + noise * (0.8 * picture + 0.6 * rng.normal(size=picture.shape))
        rows = rows @ rotation if name == "mbf-scratch" else rows
        spaces[name] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return spaces


def _comparisons(
    spaces: dict[str, NDArray[np.float32]], labels: NDArray[np.int64]
) -> list[dict[str, Any]]:
    made: dict[str, Any] = {}
    for name, gallery, probe, replaces in PAIRS:
        left, right = spaces[gallery], spaces[probe]
        made[name] = compare(
            name,
            left,
            right,
            labels,
            RATES,
            0.374,
            roles=(gallery, probe),
            reference=Reference(made[replaces], *_of(replaces, spaces)) if replaces else None,
            rounds=25,
        )
    return [one.to_json() for one in made.values()]


def _of(name: str, spaces: dict[str, NDArray[np.float32]]) -> tuple[Any, Any]:
    gallery, probe = next(pair[1:3] for pair in PAIRS if pair[0] == name)
    return spaces[gallery], spaces[probe]


def _verdict(failed: bool) -> dict[str, Any]:
    rows = [
        (
            "cross-space TAR",
            "teacher gallery, student probe, at FMR 1 %",
            0.974,
            0.9,
            "min",
            "share",
        ),
        (
            "beats scratch",
            "TAR of the student over scratch",
            7.1,
            0.0,
            "min",
            "points",
        ),
        (
            "INT8 loss",
            "TAR that INT8 loses against FP32",
            2.6 if failed else 0.3,
            1,
            "max",
            "points",
        ),
        ("FP16 parity", "smallest cosine between FP16 and the student", 0.99991, 0.999, "min", ""),
        ("INT8 parity", "first percentile of the cosine to the student", 0.9712, 0.95, "min", ""),
        (
            "latency",
            "median of one INT8 embedding on one thread",
            None if failed else 4.81,
            20,
            "max",
            "ms",
        ),
    ]
    keys = ("name", "what", "value", "bound", "direction", "unit")
    gates = [dict(zip(keys, row)) for row in rows]
    for gate in gates:
        value, bound = gate["value"], gate["bound"]
        above = value is not None and value >= bound
        gate["passed"] = value is not None and (
            above if gate["direction"] == "min" else value <= bound
        )
    return {"passed": all(gate["passed"] for gate in gates), "gates": gates}


def _models() -> list[dict[str, Any]]:
    rows = [
        ("teacher-r18", "teacher", "ArcFace 0.5/64", 24_030_000, 2_640_000_000, "IResNet-18"),
        ("mbf-thkd", "student", "TH-KD, a = 0.5", 1_196_640, 221_000_000, "MobileFaceNet"),
        (
            "mbf-scratch",
            "baseline",
            "scratch",
            1_196_640,
            221_000_000,
            "the same steps, no teacher",
        ),
    ]
    keys = ("name", "role", "method", "parameters", "macs", "note")
    return [dict(zip(keys, row)) | {"dim": 512} for row in rows]


def _artifacts(threshold: float) -> list[dict[str, Any]]:
    rows = [
        ("fp32", 4_812_331, "float32", 1.0, 0.9999994, 0.9999991),
        ("fp16", 2_436_871, "float16", 0.999998, 0.99998, 0.99991),
        ("int8-cpu", 1_402_117, "int8, U8S8", 0.9914, 0.9712, 0.9433),
    ]
    artifacts = []
    for name, size, precision, mean, p1, least in rows:
        artifacts.append(
            {
                "name": name,
                "file": f"student.{name}.onnx",
                "bytes": size,
                "sha256": digest(name),
                "precision": precision,
                "opset": 17,
                "provider": "CPUExecutionProvider",
                "cosine_to_torch": {"mean": mean, "p1": p1, "min": least, "n": 720},
                "threshold": {
                    "value": threshold,
                    "fmr_target": 0.001,
                    "fmr": 0.00071,
                    "fmr_upper": 0.00097,
                    "confidence": 0.95,
                    "impostors": 257_040,
                    "subjects": PEOPLE,
                    "dataset": digest("faces")[:16],
                    "model": digest(name),
                },
            }
        )
    return artifacts


def _latency(rng: np.random.Generator) -> dict[str, Any]:
    from embedge.bench.percentiles import Percentiles

    def drawn(typical: float, n: int) -> dict[str, Any]:
        return Percentiles.of(typical * (1 + rng.gamma(1.2, 0.06, n))).to_json()

    speeds = [("fp32", 9.4, 5.6), ("fp16", 10.9, 6.6), ("int8-cpu", 4.6, 3.1)]
    return {
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
                "flagged": 0,
                **drawn(typical, 1200 if threads == 1 else 310),
            }
            for name, one, four in speeds
            for threads, typical in ((1, one), (4, four))
        ],
        "verify": [
            {"stage": stage, **drawn(typical, 420)}
            for stage, typical in (
                ("decode", 3.2),
                ("align", 0.9),
                ("embed", 6.4),
                ("compare", 0.02),
                ("end to end", 10.6),
            )
        ],
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


def _curves(rng: np.random.Generator) -> list[dict[str, Any]]:
    steps = list(range(0, 2001, 20))
    x = np.array(steps) / 2000

    def falling(top: float, low: float) -> list[float | None]:
        values = low + (top - low) * np.exp(-4 * x) + 0.25 * rng.normal(size=len(x))
        return [round(float(value), 3) for value in values]

    def rising(top: float) -> list[float | None]:
        return [
            round(float(top * (1 - np.exp(-5 * at))), 3) if i % 10 == 0 else None
            for i, at in enumerate(x)
        ]

    return [
        {"name": "TH-KD", "steps": steps, "series": {"loss": falling(24, 4.1)}},
        {"name": "scratch", "steps": steps, "series": {"loss": falling(22, 6.8)}},
        {
            "name": "TH-KD (held out)",
            "steps": steps[::10],
            "series": {"rank-1": [v for v in rising(0.98) if v is not None]},
        },
    ]


def _provenance() -> dict[str, Any]:
    return {
        "versions": {
            "embedge": "0.1.0",
            "torch": "2.13.0",
            "onnxruntime": "1.31.1",
            "numpy": "2.4.6",
            "python": "3.11.2",
        },
        "teacher_digest": digest("teacher"),
        "data_fingerprint": digest("faces"),
        "seed": 7,
        "weight_licence": "Apache-2.0",
        "data_licence": "rendered, no person involved",
        "recipe": {
            "data": {"identities": 1200, "per_identity": 12},
            "student": {"method": "thkd", "a": 0.5, "alpha": 1.0, "beta": 1.0, "width": 1.0},
            "train": {"steps": 2000, "batch": 128, "lr": 0.1},
        },
    }


def _faces(rng: np.random.Generator, labels: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    """Crude drawn faces: enough to see that pictures land where they belong."""
    return [_face(np.random.default_rng(int(label)), rng) for label in labels]


def _face(person: np.random.Generator, nuisance: np.random.Generator) -> NDArray[np.uint8]:
    skin = tuple(int(v) for v in person.integers((150, 100, 70), (245, 200, 170)))
    hair = tuple(int(v) for v in person.integers(15, 110, 3))
    wide, tall = person.integers(32, 42), person.integers(42, 52)
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
