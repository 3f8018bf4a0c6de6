"""Which graph an engine is built from, how it is named, and bundles that are left alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_bundles import tiny_bundle

from embedge.errors import EmbedgeError
from embedge.export.engines import EngineOptions
from embedge.pipeline.additions import engine_in_bundle
from embedge.pipeline.additions.engine_in_bundle import (
    Checking,
    artifact_for,
    engine_into_bundle,
    engine_name,
)
from embedge.runtime import Bundle
from embedge.runtime.bundle.signature import sign_bundle
from embedge.runtime.bundle.signing_keys import new_signing_key


def bundle_of(*names: str) -> Any:
    return SimpleNamespace(artifacts=set(names), artifact=lambda name: name)


def tensorrt(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    flag = SimpleNamespace(**dict.fromkeys(kinds, 0))
    trt = SimpleNamespace(NetworkDefinitionCreationFlag=flag, __version__="8.6.0")
    monkeypatch.setattr(engine_in_bundle, "tensorrt_module", lambda target: trt)
    monkeypatch.setattr(engine_in_bundle, "library_version", lambda trt: "8.6.1")


@pytest.mark.parametrize(
    ("kinds", "names", "expected"),
    [
        (["STRONGLY_TYPED"], ["int8-trt", "int8-trt8"], "int8-trt"),
        (["EXPLICIT_BATCH"], ["int8-trt", "int8-trt8"], "int8-trt8"),
        (["EXPLICIT_BATCH"], ["int8-trt"], "int8-trt"),
    ],
)
def test_tensorrt_8_takes_its_own_graph_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, kinds: list[str], names: list[str], expected: str
) -> None:
    tensorrt(monkeypatch, *kinds)
    assert artifact_for(bundle_of(*names), None, EngineOptions("int8")) == expected


def test_a_name_or_another_precision_decides_without_tensorrt() -> None:
    assert artifact_for(bundle_of(), "mine", EngineOptions("int8")) == "mine"
    assert artifact_for(bundle_of(), None, EngineOptions("fp16")) == "fp16"


def test_the_name_tells_graph_gpu_and_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    tensorrt(monkeypatch)
    devices = [SimpleNamespace(sm=87)]
    monkeypatch.setattr(engine_in_bundle, "cuda_driver", lambda: SimpleNamespace(devices=devices))
    name = engine_name("int8-trt", EngineOptions("fp16", dla=1))
    assert name == "int8-trt.sm87.dla1.tensorrt-8.6.1.plan"
    ahead = EngineOptions("fp16", target="rtx", sms=(86, 89))
    assert engine_name("int8-trt", ahead) == "int8-trt.sm86+sm89.rtx-8.6.1.plan"
    devices.clear()
    assert ".no-gpu." in engine_name("int8-trt", EngineOptions("fp16"))


def test_a_packed_or_signed_bundle_is_left_alone(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "lock.embedge")
    checking = Checking(lambda: pytest.fail("no face is needed"), seconds=1)
    packed = tmp_path / "lock.zip"
    packed.write_bytes(b"zip")
    with pytest.raises(EmbedgeError, match="E-BUNDLE-ZIP"):
        engine_into_bundle(packed, None, [EngineOptions("fp32")], checking)
    new_signing_key(tmp_path / "key.pem")
    sign_bundle(bundle, tmp_path / "key.pem")
    with pytest.raises(EmbedgeError, match="E-BUNDLE-SIGNED"):
        engine_into_bundle(bundle, None, [EngineOptions("fp32")], checking)
    with Bundle.open(bundle) as opened:
        assert opened.signature is not None
