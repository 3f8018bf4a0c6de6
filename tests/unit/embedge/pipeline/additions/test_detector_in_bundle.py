import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import tiny_bundle
from tiny_detectors import constant_onnx, scrfd_outputs

from embedge.errors import EmbedgeError
from embedge.pipeline.additions.detector_in_bundle import detector_into_bundle
from embedge.runtime import Bundle


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    path = tmp_path / "d.onnx"
    path.write_bytes(constant_onnx(scrfd_outputs([])))
    return path


def test_what_was_there_stays(detector: Path, tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "tiny.embedge", version=3, extras={"quality": {}})
    with Bundle.open(folder) as before:
        assert detector_into_bundle(folder, detector, size=128, score=0.7) == "Scrfd"
        with Bundle.open(folder) as after:
            assert after.declared.known.detector is not None
            assert (after.declared.known.detector.sizes, after.declared.version) == ((128,), 3)
            assert after.artifacts == before.artifacts
            assert set(after.files) == {*before.files, "detector.onnx"}
            assert after.extras["quality"] == {}


def test_a_folder_only(detector: Path, tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "tiny.embedge")
    packed = Path(shutil.make_archive(str(tmp_path / "tiny"), "zip", folder))
    with pytest.raises(EmbedgeError, match="E-BUNDLE-ZIP"):
        detector_into_bundle(packed, detector)


def test_a_size_that_the_detector_cannot_take(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "tiny.embedge")
    before = (folder / "manifest.json").read_bytes()
    shapeless = tmp_path / "free.onnx"
    shapeless.write_bytes(constant_onnx(scrfd_outputs([]), (1, 3, "h", "w")))
    with pytest.raises(EmbedgeError, match=r"E-DETECTOR.*not a multiple of 32"):
        detector_into_bundle(folder, shapeless, size=100)
    assert (folder / "manifest.json").read_bytes() == before
    assert np.array_equal([p.name for p in tmp_path.glob("*.part")], [])
