"""Every number and every text of a manifest has its type and range; a wrong one is one sentence."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import tiny_bundle, tiny_threshold

from embedge.errors import EmbedgeError
from embedge.runtime import Bundle, FaceMatcher
from embedge.runtime.bundle.bundle import MANIFEST, SEAL, seal_of
from embedge.runtime.bundle.manifest import Manifest
from embedge.runtime.threshold import Threshold
from embedge.typed import structured

STRICT = {**tiny_threshold(0.6).to_json(), "fmr": 0.0, "fmr_upper": 1e-6}
EXTRAS = {
    "thresholds": {"fp32": [STRICT]},
    "thresholds_against_teacher": {"fp32": STRICT, "raw": None},
    "detector": {"file": "engines/note.txt", "sizes": [128, 640], "score": 0.6},
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("m") / "tiny.embedge"
    return (tiny_bundle(folder, extras=EXTRAS) / MANIFEST).read_bytes()


def changed(manifest: bytes, *path: str | int, value: object) -> bytes:
    whole_of = json.loads(manifest)
    place = whole_of
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(whole_of).encode()


def test_what_it_says_is_typed(manifest: bytes) -> None:
    found = Manifest.parsed(manifest)
    assert found.known.thresholds == {"fp32": (Threshold(**STRICT),)}
    assert found.known.detector is not None
    assert (found.known.detector.sizes, found.known.detector.score) == ((128, 640), 0.6)
    assert (found.version, found.expires) == (None, None)
    again = Manifest.parsed(changed(manifest, "version", value=7))
    assert again.version == 7


THRESHOLD = ("artifacts", "fp32", "threshold")
BAD: list[tuple[tuple[str | int, ...], object]] = [
    *(
        ((*THRESHOLD, "value"), bad)
        for bad in (-2, -1, 1.5, float("-inf"), float("nan"), "0.3", None)
    ),
    *(((*THRESHOLD, "value"), bad) for bad in (True, [0.3], 10**400)),
    *(((*THRESHOLD, "fmr_target"), bad) for bad in (0, -1e-4, 1.1)),
    *(((*THRESHOLD, "fmr"), bad) for bad in (-0.1, 2, "few")),
    *(((*THRESHOLD, "fmr_upper"), bad) for bad in (0, 1.01, float("nan"))),
    *(((*THRESHOLD, "confidence"), bad) for bad in (0, 95)),
    *(((*THRESHOLD, "impostors"), bad) for bad in (-1, 1.5, 10**30)),
    ((*THRESHOLD, "subjects"), False),
    ((*THRESHOLD, "dataset"), "two\nlines"),
    (("artifacts", "fp32", "opset"), 0),
    (("artifacts", "fp32", "opset"), 17.0),
    (("artifacts", "fp32", "precision"), ["fp32"]),
    (("extras", "thresholds", "fp32", 0, "value"), -1),
    (("extras", "thresholds", "fp32"), {}),
    (("extras", "thresholds"), []),
    (("extras", "thresholds_against_teacher", "fp32", "value"), float("inf")),
    *((("extras", "detector", "score"), bad) for bad in (-1, float("nan"), "high")),
    *(
        (("extras", "detector", "sizes"), bad)
        for bad in ([], [0], [640.0], [1 << 30], [64] * 9, 64)
    ),
    (("extras", "detector", "file"), "absent.onnx"),
    (("extras", "detector"), "detector.onnx"),
    *((("contract", "dim"), bad) for bad in (0, -5, 2.5, 1 << 40)),
    *((("contract", "size"), bad) for bad in (0, 1 << 20, "112")),
    *((("contract", "std"), bad) for bad in (0, -1, float("inf"))),
    (("contract", "mean"), float("nan")),
    (("contract", "colour"), "HSV"),
    (("contract", "flip"), ["sum"]),
    (("contract", "template"), [[float("nan"), 1]] * 5),
    (("contract", "template"), [[1e9, 1]] * 5),
    (("contract", "template"), [[1, 2]] * 4),
    (("contract", "template"), [[50, 60]] * 5),
    (("contract", "space"), 7),
    (("files", "engines/note.txt", "bytes"), -1),
    (("files", "engines/note.txt", "bytes"), 1e3),
    (("files", "engines/note.txt", "sha256"), "A" * 64),
    (("files", "engines/note.txt", "mode"), "0777"),
    (("version",), -1),
    (("version",), 1.0),
    (("version",), 1 << 60),
    (("expires",), "soon"),
    (("expires",), 20270101),
    (("name",), "\x1b[2J"),
    (("provenance",), [1]),
    (("provenance", "accuracy"), float("inf")),
    (("surprise",), 1),
    (("artifacts", "fp32", "name"), "int8"),
    (("artifacts", "fp32"), None),
    (("artifacts",), []),
    (("default_artifact",), "none"),
]


@pytest.mark.parametrize(("path", "value"), BAD)
def test_what_cannot_be_is_refused(
    manifest: bytes, path: tuple[str | int, ...], value: object
) -> None:
    field = [step for step in path if isinstance(step, str)][-1]
    with pytest.raises(ValueError, match=f"{re.escape(field)}|is no number|no default artifact"):
        Manifest.parsed(changed(manifest, *path, value=value))


@pytest.mark.parametrize("literal", ["1e999", "-1e999", "NaN", "-Infinity"])
def test_numbers_that_json_writers_smuggle(manifest: bytes, literal: str) -> None:
    text = manifest.replace(b'"method": "test"', f'"method": {literal}'.encode())
    assert text != manifest
    with pytest.raises(ValueError, match="no number"):
        Manifest.parsed(text)


@pytest.mark.parametrize("twice", [b'"name": "tiny", "name": "tiny"', b'"name": "tiny", "name": 1'])
def test_a_key_stands_once(manifest: bytes, twice: bytes) -> None:
    with pytest.raises(ValueError, match="a key occurs twice"):
        Manifest.parsed(manifest.replace(b'"name": "tiny"', twice))


def test_the_bundle_refuses_in_one_sentence(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "tiny.embedge")
    data = changed((folder / MANIFEST).read_bytes(), *THRESHOLD, "value", value=-2)
    (folder / MANIFEST).write_bytes(data)
    (folder / SEAL).write_bytes(seal_of(data))
    with pytest.raises(EmbedgeError, match=r"E-BUNDLE: .*threshold.value: -2 is below -1"):
        Bundle.open(folder)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), -2.0, -1.0, 1.5])
def test_a_matcher_decides_at_no_impossible_threshold(tmp_path: Path, value: float) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    folder = tiny_bundle(tmp_path / "tiny.embedge")
    with FaceMatcher.load(folder) as matcher, pytest.raises(EmbedgeError, match="E-THRESHOLD"):
        matcher.verify(faces[0], faces[1], threshold=tiny_threshold(value))


def test_a_threshold_may_be_one_and_its_rounding() -> None:
    value = float(np.nextafter(np.float32(1), np.float32(2)))
    assert structured(Threshold, {**STRICT, "value": value}).value == value
