import json
from dataclasses import replace
from pathlib import Path

import pytest
from engine_cards import ORIN

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.card import EngineCard, card_path

CARD = replace(ORIN, flags=("STRONGLY_TYPED",), graph_tensors={"INT8": 3}, layers={"layers": 3})
COMPATIBLE = replace(CARD, flags=("STRONGLY_TYPED", "VERSION_COMPATIBLE"))
AMPERE = replace(CARD, hardware="ampere-plus", sms=(86,))


def test_round_trip(tmp_path: Path) -> None:
    path = CARD.write(tmp_path / "e.plan")
    assert path == card_path(tmp_path / "e.plan")
    assert EngineCard.read(tmp_path / "e.plan") == CARD


@pytest.mark.parametrize(
    ("card", "tensorrt", "sm", "misfit"),
    [
        (CARD, "10.3.0", 87, None),
        (CARD, "10.3.1", 87, "built by TensorRT 10.3.0, here is 10.3.1"),
        (CARD, "10.3.0", 86, "built for sm_87 (Orin), here is sm_86"),
        (CARD, "10.3.0.30", 87, None),
        (COMPATIBLE, "10.16.1.11", 87, None),
        (COMPATIBLE, "10.2.9", 87, "built by TensorRT 10.3.0, here is 10.2.9"),
        (COMPATIBLE, "11.4.0", 87, "built by TensorRT 10.3.0, here is 11.4.0"),
        (COMPATIBLE, "8.6.1", 87, "built by TensorRT 10.3.0, here is 8.6.1"),
        (AMPERE, "10.3.0", 90, None),
        (AMPERE, "10.3.0", 75, "built for sm_86 (Orin), here is sm_75"),
    ],
)
def test_fits_only_where_it_can_run(
    card: EngineCard, tensorrt: str, sm: int, misfit: str | None
) -> None:
    found = card.misfit(tensorrt, sm)
    assert found == (f"it was {misfit}" if misfit else None)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "embedge.engine/9"}', '{"format": "embedge.engine/1"}']
)
def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.plan.json").write_text(text)
    with pytest.raises(EmbedgeError) as told:
        EngineCard.read(tmp_path / "e.plan")
    assert told.value.code == "E-ENGINE-CARD"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batches", [1, 8]),
        ("batches", [0, 0, 0]),
        ("batches", [4, 2, 8]),
        ("batches", [1, 1, 1e9]),
        ("sms", ["87"]),
        ("plan_bytes", -1),
        ("build_seconds", float("nan")),
        ("dla", 1.5),
        ("tensorrt", None),
        ("target", ["rtx"]),
        ("flags", [1]),
        ("plan_sha256", 7),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, name: str, value: object) -> None:
    (tmp_path / "e.plan.json").write_text(json.dumps({**CARD.to_json(), name: value}))
    with pytest.raises(EmbedgeError, match="E-ENGINE-CARD"):
        EngineCard.read(tmp_path / "e.plan")


def test_a_sidecar_of_the_earlier_format_is_read(tmp_path: Path) -> None:
    """It named one version for bindings and library, and knew no choice between precisions."""
    old = {**CARD.to_json(), "format": "embedge.engine/1"}
    del old["bindings"], old["chosen"]
    (tmp_path / "e.plan.json").write_text(json.dumps(old))
    assert EngineCard.read(tmp_path / "e.plan") == replace(CARD, bindings="10.3.0")
    del old["tensorrt"]
    (tmp_path / "e.plan.json").write_text(json.dumps(old))
    with pytest.raises(EmbedgeError, match=r"E-ENGINE-CARD.*tensorrt"):
        EngineCard.read(tmp_path / "e.plan")


def test_a_plan_without_a_sidecar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="no sidecar"):
        EngineCard.read(tmp_path / "e.plan")
