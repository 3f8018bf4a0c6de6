"""NVIDIA's real ONNX parser and builder, on a CPU: TensorRT-RTX builds ahead of time.

It is a relative of TensorRT, not TensorRT: what it proves is that the graphs parse and build.
"""

from pathlib import Path
from typing import Any

import pytest
from tiny_graphs import graph_file

from embedge.errors import EmbedgeError
from embedge.export.engines import EngineOptions, build, engine_from_onnx, engines_available
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.cuda.driver import CudaDevice, CudaDriver

pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed: pip install -e .[rtx]")


def built(graph: Path, precision: str, **options: Any) -> EngineCard:
    wanted = EngineOptions(precision, target="rtx", **({"sms": (86,)} | options))
    return engine_from_onnx(graph, graph.with_suffix(".plan"), wanted)


def test_it_needs_no_gpu() -> None:
    assert engines_available("rtx") is None


@pytest.mark.parametrize(
    ("precision", "opset", "carries"),
    [
        ("fp32", 17, "FLOAT"),
        ("fp32", 21, "FLOAT"),
        ("fp16", 17, "HALF"),
        ("fp16", 21, "HALF"),
        ("int8", 17, "INT8"),
        ("int8", 19, "INT8"),
        ("int8", 21, "INT8"),
    ],
)
def test_every_precision_builds(tmp_path: Path, precision: str, opset: int, carries: str) -> None:
    card = built(graph_file(tmp_path / "g.onnx", precision, opset=opset), precision)
    assert card.graph_tensors[carries] >= 4
    assert (tmp_path / "g.plan").stat().st_size == card.plan_bytes > 10_000
    assert card.flags == ("STRONGLY_TYPED",)
    assert card.tensorrt.startswith("1.")


def test_the_remainder_of_an_int8_graph_is_fp16_unless_fp32_is_asked_for(tmp_path: Path) -> None:
    graph = graph_file(tmp_path / "g.onnx", "int8", opset=17)
    before = graph.read_bytes()
    half, single = built(graph, "int8"), built(graph, "int8", remainder="fp32")
    assert half.graph_tensors["HALF"] > 10
    assert half.graph_tensors["INT8"] == single.graph_tensors["INT8"]
    assert "HALF" not in single.graph_tensors
    assert half.onnx_sha256 == single.onnx_sha256
    assert graph.read_bytes() == before


def test_several_gpus_in_one_plan(tmp_path: Path) -> None:
    graph = graph_file(tmp_path / "g.onnx")
    assert built(graph, "fp32", sms=(86, 89, 120)).sms == (86, 89, 120)
    with pytest.raises(EmbedgeError, match="does not offer sm87"):
        built(graph, "fp32", sms=(87,))


def test_a_plan_for_another_gpu_is_not_opened_on_the_one_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none; a driver that shows one would have this machine open foreign code."""
    device = CudaDevice(0, "Thor", 110, 1 << 30, True)
    monkeypatch.setattr(build, "cuda_driver", lambda: CudaDriver(13000, None, (device,), None))
    card = built(graph_file(tmp_path / "g.onnx"), "fp32")
    assert (card.sms, card.device, card.layers) == ((86,), "none (built ahead of time)", None)
    assert card.tensorrt == "1.7.1"
    assert card.bindings.startswith("1.7.1.")


def test_one_batch_freezes_the_network(tmp_path: Path) -> None:
    assert built(graph_file(tmp_path / "g.onnx"), "fp32", batches=(4, 4, 4)).batches == (4, 4, 4)


def test_asymmetric_activations_are_refused_with_the_nodes_name(tmp_path: Path) -> None:
    graph = graph_file(tmp_path / "u8s8.onnx", "int8", zero_point=128)
    with pytest.raises(EmbedgeError, match="Non-zero zero point is not supported") as told:
        built(graph, "int8")
    assert told.value.code == "E-TRT-PARSE"
    assert "'quantizelinear_" in told.value.what
    assert not graph.with_suffix(".plan").exists()


def test_a_graph_of_another_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="no tensor of the graph is HALF"):
        built(graph_file(tmp_path / "g.onnx"), "fp16")


def test_progress_is_told_and_rises(tmp_path: Path) -> None:
    told: list[float] = []
    wanted = EngineOptions("fp32", target="rtx", sms=(86,))
    graph = graph_file(tmp_path / "g.onnx")
    engine_from_onnx(graph, tmp_path / "g.plan", wanted, progress=lambda at, _: told.append(at))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(set(told)) > 10
