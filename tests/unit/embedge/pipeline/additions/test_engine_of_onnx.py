"""An engine of one file: checked where the file, or the caller, says how a picture enters it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from tiny_graphs import contract, graph_file

from embedge.calibration.evaluation.figures import Cosines
from embedge.errors import EmbedgeError, GateFailed
from embedge.export.engines import EngineOptions
from embedge.export.engines.check import EngineCheck
from embedge.export.engines.race import Entrant
from embedge.pipeline.additions import engine_of_onnx as module
from embedge.pipeline.additions.engine_of_onnx import (
    carried_contract,
    engine_of_onnx,
    precision_of_onnx,
)
from embedge.runtime.encoders.tensorrt.card import EngineCard, card_path

FP32 = EngineOptions("fp32")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    model = onnx.load(graph_file(tmp_path / "foreign.onnx"))
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    return tmp_path / "foreign.onnx"


@pytest.fixture(autouse=True)
def builder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes what a builder leaves: a plan and its sidecar."""

    def build(_: Path, plan: Path, *__: object, **___: object) -> object:
        plan.write_bytes(b"plan")
        card_path(plan).write_text("{}")
        return SimpleNamespace()

    monkeypatch.setattr(module, "engine_from_onnx", build)
    monkeypatch.setattr(module, "engine_name", lambda stem, _: f"{stem}.sm87.plan")


class Checking:
    """Remembers the contract it checked by; `lowest` is the cosine it finds."""

    def __init__(self, lowest: float = 1.0) -> None:
        self.lowest, self.by = lowest, None

    def crops(self) -> np.ndarray:
        return np.zeros((1, 112, 112, 3), np.uint8)

    def entrant(self, plan: Any, card: EngineCard, model: Any, by: Any, crops: Any) -> Entrant:
        self.by = by
        return Entrant(
            b"", card, EngineCheck(Cosines(1, 1, self.lowest, 1), 0.9, "TensorRT", (), {})
        )


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_file_says_precision_and_contract(tmp_path: Path, precision: str) -> None:
    graph = graph_file(tmp_path / "g.onnx", precision)
    assert precision_of_onnx(graph) == precision
    assert carried_contract(graph.read_bytes()) == contract()


def test_a_foreign_file_is_built_and_nothing_is_assumed(foreign: Path) -> None:
    assert carried_contract(foreign.read_bytes()) is None
    checking = Checking()
    built = engine_of_onnx(foreign, FP32, checking)  # type: ignore[arg-type]
    assert (built.check, checking.by) == (None, None)
    assert built.unchecked == "the file does not say how a picture enters it"
    assert foreign.with_name("foreign.sm87.plan").read_bytes() == b"plan"


def test_whoever_knows_how_a_picture_enters_has_it_checked(foreign: Path, tmp_path: Path) -> None:
    checking, stated = Checking(), contract(colour="BGR")
    out = tmp_path / "there/e.plan"
    built = engine_of_onnx(foreign, FP32, checking, contract=stated, out=out)  # type: ignore[arg-type]
    assert built.check is not None
    assert checking.by == stated
    assert out.read_bytes() == b"plan"
    assert card_path(out).is_file()


def test_nothing_is_left_of_one_that_disagrees(tmp_path: Path) -> None:
    graph = graph_file(tmp_path / "g.onnx")
    with pytest.raises(GateFailed, match="E-ENGINE-PARITY"):
        engine_of_onnx(graph, FP32, Checking(0.5))  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["g.onnx"]


def test_ahead_of_time_there_is_nobody_to_ask(tmp_path: Path) -> None:
    checking = Checking()
    options = EngineOptions("fp32", target="rtx", sms=(86,))
    built = engine_of_onnx(graph_file(tmp_path / "g.onnx"), options, checking)  # type: ignore[arg-type]
    assert built.unchecked == "built ahead of time, no GPU to ask"
    assert checking.by is None


def test_weights_in_another_file_are_not_followed(foreign: Path) -> None:
    onnx.save(onnx.load(foreign), foreign, save_as_external_data=True, size_threshold=0)
    with pytest.raises(EmbedgeError, match="E-GRAPH"):
        engine_of_onnx(foreign, FP32, Checking())  # type: ignore[arg-type]
    assert not foreign.with_name("foreign.sm87.plan").exists()
