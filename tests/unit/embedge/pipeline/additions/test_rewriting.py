"""What is added to a bundle leaves the rest of it as it was; what cannot be, is told as it is."""

from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle
from tiny_detectors import constant_onnx, scrfd_outputs

from embedge.errors import EmbedgeError
from embedge.pipeline.additions.detector_in_bundle import detector_into_bundle
from embedge.pipeline.additions.rewriting import rewritten
from embedge.runtime import Bundle


def test_all_else_stays(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "lock.embedge")
    with Bundle.open(folder) as before:
        (first, *_) = before.artifacts.values()
        rewritten(
            folder, before, {"note.txt": b"new"}, artifact=first, provenance={"by": "somebody"}
        )
    with Bundle.open(folder) as after:
        assert after.artifacts == before.artifacts
        assert after.read("note.txt") == b"new"
        assert set(after.files) == {*before.files, "note.txt"}
        assert after.provenance == {**before.provenance, "by": "somebody"}
        assert (after.contract, after.extras) == (before.contract, before.extras)


def test_a_bundle_that_is_not_there_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "d.onnx").write_bytes(constant_onnx(scrfd_outputs([])))
    with pytest.raises(EmbedgeError, match="E-BUNDLE-MISSING"):
        detector_into_bundle(tmp_path / "nope.embedge", tmp_path / "d.onnx", size=128)
