from pathlib import Path
from typing import Any

import numpy as np
import pytest
from enrolled_people import student_bundle, teacher_onnx, without_metadata
from tiny_bundles import face_like

from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims, taken_in
from embedge.pipeline.foreign.telling import Told
from embedge.report.certificate.certifying import _named_by
from embedge.runtime.bundle.bundle import Bundle
from embedge.train.teachers.onnx_teacher import OnnxTeacher

NONE: Any = None


@pytest.mark.parametrize(
    ("file", "name"), [("w600k_mbf.onnx", "w600k_mbf"), ("ü x.onnx", "x"), ("....onnx", "model")]
)
def test_a_bundle_is_named_after_its_file(file: str, name: str) -> None:
    assert Told("", Path(file), NONE, NONE, {}, {}, NONE, NONE).name.strip("-") == name


def test_the_network_is_named_as_a_teacher_and_as_certify_looks_for_it(tmp_path: Path) -> None:
    model = without_metadata(teacher_onnx(tmp_path / "m.onnx"))
    pictures = np.stack([face_like(seed) for seed in range(4)])
    taken = taken_in(model, pictures, Claims(Stated((127.5,), (127.5,), "RGB")))
    told = Told("", model, taken, NONE, {}, {}, NONE, NONE)
    teacher = OnnxTeacher(model)
    assert told.digest == teacher.digest
    assert taken.contract.space == teacher.space
    provenance = {"teacher_digest": told.digest}
    with Bundle.open(student_bundle(tmp_path / "b.embedge", provenance=provenance)) as bundle:
        assert _named_by(bundle, model) == "rgb-scaled"
