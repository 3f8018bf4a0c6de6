"""Real photos through real models, beside insightface's own pipeline."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedge.files import sha256_file
from embedge.runtime import Artifact, EmbeddingContract, FaceMatcher, Threshold, write_bundle
from embedge.runtime.contract import ARCFACE_112
from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.picture.detect.onnx_detector import OnnxDetector
from embedge.runtime.picture.images import rgb_from_picture

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def bundle(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real embedder and detector as a bundle, with a threshold for this test only."""
    model = real / "models" / "w600k_mbf.onnx"
    digest = sha256_file(model)
    threshold = Threshold(0.25, 1e-3, 0.0, 1e-3, 0.95, 10**7, 5000, "for this test only", digest)
    return write_bundle(
        tmp_path_factory.mktemp("real") / "real.embedge",
        name="real",
        contract=EmbeddingContract(space=digest, model=digest, dim=512),
        artifacts=[Artifact("fp32", "student.fp32.onnx", "fp32", 12, threshold)],
        files={
            "student.fp32.onnx": model,
            "detector.onnx": real / "models" / "scrfd_2.5g_bnkps.onnx",
        },
        provenance={},
        default_artifact="fp32",
        extras={"detector": {"file": "detector.onnx", "sizes": [320]}},
    )


def photos(real: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """photo -> (its array, the reference landmarks)"""
    rows = (real / "photos-landmarks.tsv").read_text().splitlines()[1:]
    found = {}
    for row in rows:
        name, _, *numbers = row.split("\t")
        points = np.array(numbers, np.float32).reshape(5, 2)
        found[name] = (rgb_from_picture(real / "photos" / name), points)
    return found


def nearest(detector: OnnxDetector, image: np.ndarray, points: np.ndarray) -> float:
    """Pixels from the reference to the nearest face: some photos show a second person."""
    return min(np.abs(face.landmarks - points).max() for face in detector.detect(image))


def test_landmarks_agree_with_the_files(real: Path) -> None:
    with OnnxDetector(real / "models" / "scrfd_2.5g_bnkps.onnx", sizes=(320,)) as detector:
        errors = [nearest(detector, *photo) for photo in list(photos(real).values())[::3]]
    assert max(errors) < 3.0  # the file's landmarks were found at another scale of the photo
    assert np.median(errors) < 1.6


@pytest.mark.parametrize("name", ["scrfd_500m_kps", "yunet_n_dynamic"])
def test_other_detectors_find_the_same_faces(real: Path, name: str) -> None:
    with OnnxDetector(real / "models" / f"{name}.onnx", sizes=(320,)) as detector:
        errors = [nearest(detector, *photo) for photo in list(photos(real).values())[::3]]
    assert np.median(errors) < 6.0  # pixels of a face some 110 wide: other networks, other points
    assert max(errors) < 25.0


def test_every_photo_verifies(real: Path, bundle: Path) -> None:
    by_person: dict[str, list[np.ndarray]] = {}
    with FaceMatcher.load(bundle, threads=1, choice="central") as matcher:
        names = [*photos(real)]
        rows = matcher.stream(real / "photos" / name for name in names)
        for name, row in zip(names, rows):
            by_person.setdefault(name.partition("/")[0], []).append(row)
    genuine = [float(a @ b) for a, b in by_person.values()]
    first = np.stack([rows[0] for rows in by_person.values()])
    impostor = (first @ first.T)[np.triu_indices(len(first), 1)]
    assert len(genuine) == 60
    assert np.mean(np.array(genuine) > 0.25) > 0.95
    assert np.mean(impostor > 0.25) < 0.005


def test_the_pipeline_agrees_with_insightface(real: Path, bundle: Path) -> None:
    scrfd = pytest.importorskip("insightface.model_zoo.scrfd", reason="embedge[zoo] not installed")
    face_align = pytest.importorskip("insightface.utils.face_align")
    arcface = pytest.importorskip("insightface.model_zoo.arcface_onnx")
    theirs = scrfd.SCRFD(str(real / "models" / "scrfd_2.5g_bnkps.onnx"))
    theirs.prepare(-1, input_size=(320, 320), det_thresh=0.5)
    recogniser = arcface.ArcFaceONNX(str(real / "models" / "w600k_mbf.onnx"))
    landmark_errors, cosines, grey, crops = [], [], [], []
    with FaceMatcher.load(bundle, threads=1, choice="central") as matcher:
        for image, _ in list(photos(real).values())[::4]:
            bgr = np.ascontiguousarray(image[..., ::-1])
            face = matcher.reader.read(image)
            _, found = theirs.detect(bgr)
            distances = np.abs(found - face.face.landmarks).max(axis=(1, 2))
            points = found[distances.argmin()]
            landmark_errors.append(distances.min())
            crop = face_align.norm_crop(bgr, points)
            reference = recogniser.get_feat([crop])[0]
            reference /= np.linalg.norm(reference)
            cosines.append(float(reference @ matcher.embed_faces([face])[0]))
            ours = aligned_crop(image, points, ARCFACE_112, 112)
            grey.append(np.abs(ours.astype(int) - crop[..., ::-1]).mean())
            pair = matcher.embed([ours, crop[..., ::-1].copy()], aligned=True)
            crops.append(float(pair[0] @ pair[1]))
    assert max(landmark_errors) < 0.3  # pixels
    assert np.median(cosines) >= 0.995
    assert max(grey) < 0.1  # grey levels, on the same landmarks
    assert min(crops) >= 0.999


@pytest.mark.parametrize(("size", "margin"), [(112, 0), (128, 8)])
def test_crops_equal_norm_crop(real: Path, size: int, margin: int) -> None:
    face_align = pytest.importorskip(
        "insightface.utils.face_align", reason="embedge[zoo] not installed"
    )
    for image, points in list(photos(real).values())[:40]:
        template = np.array(ARCFACE_112) + np.array([margin, 0])
        ours = aligned_crop(image, points, template, size).astype(int)
        assert np.abs(ours - face_align.norm_crop(image, points, size)).mean() < 0.1


def test_the_command_verifies_two_photos(real: Path, bundle: Path) -> None:
    person = sorted((real / "photos" / "David_Coulthard").iterdir())
    command = [sys.executable, "-m", "embedge", "verify"]
    other = sorted((real / "photos" / "Ben_Glisan").iterdir())[0]
    for pair, match in (((person[0], person[1]), True), ((person[0], other), False)):
        done = subprocess.run(
            [*command, str(bundle), *map(str, pair), "--json", "--face", "central"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["match"] is match
        assert answer["quality"][0]["eye_distance"] > 30
