from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.encoders.bundled import TENSORRT, encoder_from_bundle
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.encoders.tensorrt import of_bundle


def test_the_artifact_runs_on_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(
        of_bundle, "tensorrt_encoder_from_bundle", lambda _, artifact: asked.append(artifact)
    )
    with Bundle.open(tiny_bundle(tmp_path / "tiny.embedge")) as bundle:
        with encoder_from_bundle(bundle, threads=1) as encoder:
            assert isinstance(encoder, OrtEncoder)
            assert encoder.contract == bundle.contract
        assert encoder_from_bundle(bundle, "raw", require_provider=TENSORRT) is None
    assert asked == ["raw"]
