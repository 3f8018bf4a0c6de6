"""Real faces: groups of UTKFace, and the certificate of a model that replaces another one."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from orders import certificate_order

from embedge.calibration.differentials.crossed import crossed_rates, false_matches
from embedge.calibration.evaluation.embed import embedded
from embedge.calibration.evaluation.faces import FaceFiles
from embedge.calibration.evaluation.subjects import opened_model
from embedge.files import sha256_file, sha256_json
from embedge.progress import Progress
from embedge.report.certificate.certifying import certified
from embedge.runtime import Artifact, EmbeddingContract, write_bundle

pytestmark = pytest.mark.real

PICTURES, PEOPLE = 1200, 100
QUIET = Progress(quiet=True)


def test_the_groups_of_utk_against_a_matrix_of_all_pairs(real: Path) -> None:
    """Every twentieth picture: each is a person of its own, because nobody is named."""
    with (real / "utk-labels.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))[:: 23_695 // PICTURES][:PICTURES]
    with opened_model(str(real / "models" / "insightface_y1.onnx")).encoder as encoder:
        found = embedded(FaceFiles(real / "utk", [row["file"] for row in rows]), encoder)
    assert found.acquired.all()
    sexes = np.array([int(row["gender"]) for row in rows])
    (counted,) = false_matches(
        found.embeddings, np.arange(len(rows)), [(sexes, ("male", "female"))], [0.3]
    )
    every = found.embeddings @ found.embeddings.T > np.float32(0.3)
    above, pairs = np.triu(every, 1), np.triu(np.ones_like(every), 1)
    for cell, (one, other) in zip(
        crossed_rates(counted, 0), itertools.combinations_with_replacement((0, 1), 2), strict=True
    ):
        both = np.outer(sexes == one, sexes == other) | np.outer(sexes == other, sexes == one)
        assert cell.comparisons == int((pairs & both).sum())
        assert cell.false_matches == int((above & both).sum())
        assert cell.fmr is not None
        assert 0 < cell.fmr.low < cell.fmr.rate < cell.fmr.high < 0.2


@pytest.fixture
def faces(real: Path, tmp_path: Path) -> Path:
    rich = [p for p in sorted((real / "lfw-dev").iterdir()) if len(list(p.iterdir())) >= 3]
    for person in rich[:: len(rich) // PEOPLE][:PEOPLE]:
        (tmp_path / "faces" / person.name).mkdir(parents=True)
        for picture in sorted(person.iterdir())[:3]:
            (tmp_path / "faces" / person.name / picture.name).symlink_to(picture)
    return tmp_path / "faces"


def bundle_of(folder: Path, model: Path, teacher: str, contract: EmbeddingContract) -> Path:
    return write_bundle(
        folder / "new.embedge",
        name="new",
        contract=contract,
        artifacts=[Artifact("fp32", "student.onnx", "fp32", 12, None)],
        files={"student.onnx": model.read_bytes()},
        provenance={"teacher_digest": teacher},
        default_artifact="fp32",
    )


def test_the_teacher_is_compatible_with_itself_and_a_stranger_is_not(
    real: Path, faces: Path, tmp_path: Path
) -> None:
    """Both are MobileFaceNets of 128 numbers; the stranger only states the teacher's space."""
    old = real / "models" / "insightface_y1.onnx"
    digest = sha256_json({"file": sha256_file(old), "preprocessing": "rgb-scaled"})
    space = f"sha256:{digest[:32]}"
    shown = {}
    for name in ("insightface_y1", "foamliu_mbf"):
        model = real / "models" / f"{name}.onnx"
        contract = EmbeddingContract(space=space, model=sha256_file(model), dim=128)
        bundle = bundle_of(tmp_path / name, model, digest, contract)
        asked = certificate_order(
            bundle, faces, str(old), fmr=0.01, margin=0.1, cache=tmp_path / "cache"
        )
        shown[name] = certified(asked, "", QUIET)
    same, stranger = shown["insightface_y1"], shown["foamliu_mbf"]
    assert same.verdict.passed
    assert same.artifacts[0].backward.flips.negative == 0
    assert not stranger.verdict.passed
    assert stranger.artifacts[0].cross.tar.rate < 0.2
