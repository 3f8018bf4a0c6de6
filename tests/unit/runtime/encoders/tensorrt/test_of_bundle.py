import hashlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_cards import ORIN
from tiny_bundles import tiny_bundle, tiny_contract, tiny_onnx

from embedge.errors import EmbedgeError
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.encoders.tensorrt import of_bundle
from embedge.runtime.encoders.tensorrt.of_bundle import (
    engine_cards,
    tensorrt_encoder_from_bundle,
)

CARD = replace(
    ORIN,
    plan="a.plan",
    onnx_sha256=hashlib.sha256(tiny_onnx(tiny_contract(64))).hexdigest(),
    precision="fp32",
    remainder="fp32",
)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    cards = {
        "a": CARD,
        "b": replace(CARD, sms=(72,)),
        "c": replace(CARD, onnx_sha256="another graph"),
    }
    files = {f"engines/{name}.plan": name.encode() for name in cards}
    files |= {f"engines/{n}.plan.json": json.dumps(c.to_json()).encode() for n, c in cards.items()}
    return Bundle.open(tiny_bundle(tmp_path / "tiny.embedge", files=files))


def on(monkeypatch: pytest.MonkeyPatch, sm: int, version: str = "10.3.0") -> None:
    driver = SimpleNamespace(problem=None, devices=[SimpleNamespace(sm=sm)])
    monkeypatch.setattr(of_bundle, "cuda_driver", lambda: driver)
    monkeypatch.setattr(of_bundle, "tensorrt_module", lambda _: SimpleNamespace())
    monkeypatch.setattr(of_bundle, "library_version", lambda _: version)
    monkeypatch.setattr(of_bundle, "TensorRTEncoder", lambda plan, *_, **__: plan)


def test_engines_of_an_older_graph_do_not_count(bundle: Bundle) -> None:
    assert set(engine_cards(bundle, bundle.artifact())) == {"engines/a.plan", "engines/b.plan"}


@pytest.mark.parametrize(("sm", "plan"), [(87, b"a"), (72, b"b")])
def test_the_engine_of_this_gpu_is_taken(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, sm: int, plan: bytes
) -> None:
    on(monkeypatch, sm)
    assert tensorrt_encoder_from_bundle(bundle) == plan  # type: ignore[comparison-overlap]


def test_none_that_fits_is_told_with_each_reason(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, 90)
    with pytest.raises(EmbedgeError, match=r"E-ENGINE-FOREIGN.*sm_87.*sm_72"):
        tensorrt_encoder_from_bundle(bundle)
    on(monkeypatch, 87, "8.6.1")
    with pytest.raises(EmbedgeError, match=r"here is 8\.6\.1"):
        tensorrt_encoder_from_bundle(bundle)
    monkeypatch.setattr(of_bundle, "cuda_driver", lambda: SimpleNamespace(problem="no driver"))
    with pytest.raises(EmbedgeError, match=r"E-NO-GPU.*no driver"):
        tensorrt_encoder_from_bundle(bundle)
