import importlib.util
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tiny_graphs import contract, graph_file

from embedge.export.engines import EngineOptions, engine_from_onnx
from embedge.export.engines.build import layers_path
from embedge.export.engines.check import checked_engine
from embedge.export.engines.race import Entrant, chosen_engine
from embedge.runtime.encoders.tensorrt.api import MODULES
from embedge.runtime.encoders.tensorrt.encoder import TensorRTEncoder
from embedge.typed import plain


@pytest.fixture(params=["tensorrt", "rtx"])
def target(request: pytest.FixtureRequest) -> str:
    names = MODULES[request.param]
    hidden = os.environ.get("FAKE_GPU_HIDES", "")  # a real builder cannot run on a fake driver
    if names[0] == hidden or not any(importlib.util.find_spec(name) for name in names):
        pytest.skip(f"{names[0]} is not installed here")
    return str(request.param)


@pytest.mark.parametrize("batches", [(1, 1, 1), (1, 4, 8)])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_an_engine_agrees_with_its_graph(
    tmp_path: Path,
    faces: np.ndarray,
    seen: dict[str, object],
    seconds: float,
    target: str,
    precision: str,
    batches: tuple[int, int, int],
) -> None:
    graph = graph_file(tmp_path / "g.onnx", precision)
    options = EngineOptions(precision, target=target, batches=batches)
    card = engine_from_onnx(graph, tmp_path / "g.plan", options)
    check = checked_engine(
        "tiny",
        (tmp_path / "g.plan").read_bytes(),
        card,
        graph.read_bytes(),
        contract(),
        faces,
        seconds=seconds,
    )
    seen[f"engine {target} {precision} {batches}"] = {
        "card": card.to_json(),
        "parity": asdict(check.parity),
        "provider": check.provider,
        "latency": plain(check.latency),
        "power": plain(check.power),
    }
    assert check.parity.min >= check.bound
    assert ("CUDA graph" in check.provider) == (batches == (1, 1, 1))
    if precision == "int8" and card.layers is not None and target == "tensorrt":
        assert card.layers["by_type"]
    if card.layers is not None:
        assert "N/A" not in layers_path(tmp_path / "g.plan").read_text()


def test_int8_runs_against_fp16(
    tmp_path: Path, faces: np.ndarray, seen: dict[str, object], seconds: float, target: str
) -> None:
    """Which one wins is for the device to say; that it says so, and why, is what is tested."""
    entrants = []
    for precision in ("int8", "fp16"):
        graph, plan = graph_file(tmp_path / "g.onnx", precision), tmp_path / f"{precision}.plan"
        options = EngineOptions(precision, target=target, batches=(1, 1, 1))
        card = engine_from_onnx(graph, plan, options)
        data = plan.read_bytes()
        check = checked_engine(
            precision, data, card, graph.read_bytes(), contract(), faces, seconds=seconds
        )
        entrants.append(Entrant(data, card, check))
    place, why = chosen_engine(entrants, contract(), faces, seconds=seconds)
    seen[f"engine {target} chosen"] = why
    assert why.startswith(entrants[place].name)


def test_a_changed_plan_is_refused_before_tensorrt_sees_it(tmp_path: Path, target: str) -> None:
    from embedge.errors import EmbedgeError

    graph = graph_file(tmp_path / "g.onnx")
    card = engine_from_onnx(graph, tmp_path / "g.plan", EngineOptions("fp32", target=target))
    plan = bytearray((tmp_path / "g.plan").read_bytes())
    plan[len(plan) // 2] ^= 1
    with pytest.raises(EmbedgeError) as told:
        TensorRTEncoder(bytes(plan), card, contract())
    assert told.value.code == "E-ENGINE-FOREIGN"
