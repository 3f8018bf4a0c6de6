"""Whoever chose says nothing of an artifact: not its thresholds, not its rates, not its parity."""

from pathlib import Path

import numpy as np

from embedge.calibration.evaluation.judge import Subject
from embedge.calibration.people.splits import roles_of
from embedge.pipeline.proving.judging import Operating, Views, parity_result
from embedge.pipeline.stages.ship.parity_result import TEACHER, student
from embedge.progress import Progress
from embedge.train.data import FaceSet

PEOPLE, EACH, DIM = 60, 3, 16


def test_nobody_who_chose_is_asked(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(PEOPLE), EACH)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(PEOPLE, DIM))[labels] + 0.3 * rng.normal(size=(len(labels), DIM))
    images = rng.integers(0, 255, (len(labels), 112, 112, 3), np.uint8)
    names = tuple(f"p{n}" for n in range(PEOPLE))
    roles = roles_of(labels, 0, choosing=True)
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    spoilt = np.where(roles.choose[:, None], -unit, unit)
    graph = tmp_path / "g.onnx"
    graph.write_text("fp32")

    views = Views(
        Subject(TEACHER, unit),
        unit,
        None,
        None,
        {"fp32": Subject(student("fp32"), spoilt)},
        {"fp32": "CPU"},
        shared=False,
    )
    operating = Operating((0.1,), 0.1, 0.1, 0, "unknown")
    faces = FaceSet("some", images, labels, names, "f" * 64)
    found = parity_result(operating, faces, roles, views, {"fp32": graph}, Progress(quiet=True))
    fp32 = found.artifacts["fp32"]
    assert (fp32.cosine.n, found.dataset.images) == (150, 90)
    assert fp32.cosine.min > 0.9999  # the spoilt rows are those of the people who chose
    assert fp32.threshold is not None
    assert fp32.threshold.subjects == found.dataset.threshold_identities == 20
    assert (found.dataset.people, found.dataset.thresholds_on) == ("unknown", "other people")
