from dataclasses import replace
from pathlib import Path

import pytest
from tiny_bundles import tiny_contract, tiny_onnx

from embedge.errors import EmbedgeError
from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims
from embedge.pipeline.foreign.bundling import Wanted, _rates, bundled
from embedge.progress import Progress


def wanted(folder: Path) -> Wanted:
    model = folder / "a.onnx"
    model.write_bytes(tiny_onnx(tiny_contract(64)))
    asked = Claims(Stated(None, None, None, None, "0-255"), None, None)
    out = folder / "a.embedge"
    return Wanted(model, folder / "faces", out, asked, False, None, 1e-3, 8, 100, 0, 0.1, None, "")


def test_the_rate_that_is_asked_for_is_among_those_told() -> None:
    assert _rates(0.05) == (0.05, 1e-2, 1e-3, 1e-4)
    assert _rates(1e-3) == (1e-2, 1e-3, 1e-4)


def test_a_detector_that_is_none_is_told_before_the_faces_are_read(tmp_path: Path) -> None:
    (tmp_path / "d.onnx").write_bytes(b"no network")
    asked = replace(wanted(tmp_path), detector=tmp_path / "d.onnx")
    with pytest.raises(EmbedgeError) as caught:
        bundled(asked, Progress(quiet=True))
    assert "faces" not in str(caught.value.where)
    assert not asked.out.exists()


def test_without_faces_nothing_is_written(tmp_path: Path) -> None:
    asked = wanted(tmp_path)
    with pytest.raises(EmbedgeError, match="there is no such folder"):
        bundled(asked, Progress(quiet=True))
    assert not asked.out.exists()
