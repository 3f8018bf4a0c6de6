import json
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import face_like, tiny_bundle
from tiny_detectors import constant_onnx, yunet_outputs

from embedge.cli import main
from embedge.files import sha256_file
from embedge.runtime import Bundle, FaceMatcher
from embedge.runtime.bundle.signature import sign_bundle
from embedge.runtime.bundle.signing_keys import new_signing_key
from embedge.runtime.contract import ARCFACE_112

CALL = ["bundle", "add-detector", "tiny.embedge", "d.onnx"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_bundle(Path("tiny.embedge"))
    planted = (np.array([8.0, 8, 120, 120]), np.array(ARCFACE_112) + 8, 0.9)
    Path("d.onnx").write_bytes(constant_onnx(yunet_outputs([planted])))
    return tmp_path


def test_a_bundle_with_a_detector_needs_nothing_else(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*CALL, "--size", "128", "--licence", "MIT"]) == 0
    assert capsys.readouterr().out == "tiny.embedge: carries a Yunet detector now\n"
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[8:120, 8:120] = face_like(1)
    with FaceMatcher.load("tiny.embedge") as matcher:
        found = matcher.embed(picture, colour="RGB") @ matcher.embed(face_like(1), aligned=True)
    assert found > 0.999
    with Bundle.open("tiny.embedge") as bundle:
        told = bundle.provenance["detector"]
        assert told == {"kind": "Yunet", "sha256": sha256_file(Path("d.onnx")), "licence": "MIT"}
        assert bundle.provenance["method"] == "test"  # what was told before is still told
    assert main(CALL) == 0  # a second one replaces it
    assert "licence was not told" in capsys.readouterr().out


def test_a_signed_bundle_is_left_alone_unless_told(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_signing_key(Path("key.pem"), None)
    sign_bundle(Path("tiny.embedge"), Path("key.pem"), None)
    before = Path("tiny.embedge/manifest.json").read_bytes()
    assert main(CALL) == 2
    assert "E-BUNDLE-SIGNED" in capsys.readouterr().err
    assert Path("tiny.embedge/manifest.json").read_bytes() == before
    assert main([*CALL, "--drop-signature"]) == 0
    assert "detector" in json.loads(Path("tiny.embedge/manifest.json").read_bytes())["extras"]
    assert not Path("tiny.embedge/manifest.json.ed25519").exists()


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ([*CALL[:3], "absent.onnx"], "E-DETECTOR"),
        ([*CALL[:3], "tiny.embedge/student.fp32.onnx"], "E-DETECTOR"),
    ],
)
def test_mistakes(
    call: list[str], code: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(call) == 2
    assert f"embedge: {code}: " in capsys.readouterr().err
