import hashlib
import json
import os
from pathlib import Path
from typing import Any

import onnx
import pytest
import tensorrt
from tiny_graphs import graph_file

from embedge.errors import EmbedgeError
from embedge.export.engines import EngineOptions, engine_from_onnx, engines_available
from embedge.export.engines.build import layers_path
from embedge.runtime.encoders.tensorrt.card import EngineCard

GENERATION = int(os.environ["FAKE_TENSORRT"])
OLD = pytest.mark.skipif(GENERATION != 8, reason="what TensorRT 8.5 lacks")
NEW = pytest.mark.skipif(GENERATION == 8, reason="TensorRT 8.5 lacks this")


def built(folder: Path, precision: str = "fp32", **options: Any) -> EngineCard:
    onnx_file = graph_file(folder / f"{precision}.onnx", precision)
    return engine_from_onnx(
        onnx_file, folder / f"{precision}.plan", EngineOptions(precision, **options)
    )


def test_engines_can_be_built_here() -> None:
    assert engines_available() is None


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_card_tells_what_was_built(tmp_path: Path, precision: str) -> None:
    card = built(tmp_path, precision, batches=(1, 4, 16))
    plan, graph = tmp_path / f"{precision}.plan", tmp_path / f"{precision}.onnx"
    assert card.plan_sha256 == hashlib.sha256(plan.read_bytes()).hexdigest()
    assert card.onnx_sha256 == hashlib.sha256(graph.read_bytes()).hexdigest()
    assert (card.sms, card.device, card.batches) == ((87,), "Fake GPU", (1, 4, 16))
    assert card.timing_sha256
    assert EngineCard.read(plan) == card


BY_FLAG = ("EXPLICIT_BATCH", "FP16", "INT8")


@pytest.mark.parametrize(
    ("precision", "opset", "flags"),
    [
        ("fp32", 17, {8: ("EXPLICIT_BATCH",)}),
        ("fp16", 17, {8: ("EXPLICIT_BATCH", "FP16")}),
        ("int8", 17, {8: BY_FLAG, 10: BY_FLAG}),
        ("int8", 19, {8: BY_FLAG}),  # from opset 19 on these graphs hold FP16 themselves
    ],
)
def test_flags_are_those_the_generation_needs(
    tmp_path: Path, precision: str, opset: int, flags: dict[int, tuple[str, ...]]
) -> None:
    graph = graph_file(tmp_path / "g.onnx", precision, opset=opset)
    card = engine_from_onnx(graph, tmp_path / "g.plan", EngineOptions(precision))
    assert card.flags == flags.get(GENERATION, ("STRONGLY_TYPED",))
    if precision == "int8" and card.flags == ("STRONGLY_TYPED",):
        assert card.graph_tensors["HALF"] > 10


def test_the_remainder_may_stay_in_fp32(tmp_path: Path) -> None:
    card = built(tmp_path, "int8", remainder="fp32")
    assert card.remainder == "fp32"
    assert "FP16" not in card.flags
    assert "HALF" not in card.graph_tensors
    assert "INT8" in card.flags or card.flags == ("STRONGLY_TYPED",)


def test_tf32_only_when_asked_for(tmp_path: Path) -> None:
    assert "TF32" in built(tmp_path, tf32=True).flags


def test_inspector_answer_is_kept(tmp_path: Path) -> None:
    card = built(tmp_path)
    layers = json.loads(layers_path(tmp_path / "fp32.plan").read_text())
    assert card.layers is not None
    assert card.layers["layers"] == len(layers) > 5
    assert card.layers["by_type"] == {"FP32": len(layers)}


@pytest.mark.parametrize("batches", [(1, 1, 1), (4, 4, 4), (1, 4, 16)])
def test_the_inspector_knows_every_shape(tmp_path: Path, batches: tuple[int, int, int]) -> None:
    card = built(tmp_path, batches=batches)
    layers = json.loads(layers_path(tmp_path / "fp32.plan").read_text())
    shapes = {str(tensor["Dimensions"]) for layer in layers for tensor in layer["Inputs"]}
    assert shapes == {f"[{batches[1]}, 3, 112, 112]"}
    assert card.batches == batches


def test_one_batch_freezes_the_network(tmp_path: Path) -> None:
    """Not a profile of one size: the plan itself is of that shape, whatever the graph said."""
    built(tmp_path, "fp32", batches=(2, 2, 2))
    runtime = tensorrt.Runtime(tensorrt.ILogger())
    engine = runtime.deserialize_cuda_engine((tmp_path / "fp32.plan").read_bytes())
    assert engine.get_tensor_shape("image") == (2, 3, 112, 112)
    assert engine.get_tensor_shape("embedding") == (2, 16)


def test_weights_of_integers_are_built_by_every_generation(tmp_path: Path) -> None:
    """TensorRT 8 takes FP32 weights with a Q and a DQ; the graph in the bundle stays as it is."""
    graph = graph_file(tmp_path / "g.onnx", "int8", codes=True)
    before = graph.read_bytes()
    card = engine_from_onnx(graph, tmp_path / "g.plan", EngineOptions("int8"))
    assert card.onnx_sha256 == hashlib.sha256(before).hexdigest()
    assert graph.read_bytes() == before
    assert card.graph_tensors["INT8"] == (4 if GENERATION == 8 else 2)


def test_the_card_names_the_library_and_the_bindings(tmp_path: Path) -> None:
    card = built(tmp_path)
    assert card.bindings == tensorrt.__version__
    assert card.tensorrt == {8: "8.5.3", 10: "10.3.1", 11: "11.4.1"}[GENERATION]


def test_timings_are_kept_by_device_and_version(tmp_path: Path) -> None:
    first = built(tmp_path, timing_cache=tmp_path / "timings")
    (kept,) = (tmp_path / "timings").iterdir()
    assert kept.name.startswith("tensorrt-")
    assert kept.name.endswith("-sm87-fake-gpu.timing")
    kept.write_bytes(b"timings of an earlier build")
    again = built(tmp_path, timing_cache=tmp_path / "timings")
    assert again.timing_sha256 == hashlib.sha256(b"timings of an earlier build").hexdigest()
    assert again.timing_sha256 != first.timing_sha256


def test_parser_errors_become_one_list_of_nodes(tmp_path: Path) -> None:
    model = onnx.load(graph_file(tmp_path / "bad.onnx"))
    for number, node in enumerate(model.graph.node):
        if node.op_type in ("PRelu", "Flatten"):
            node.op_type = f"Made{node.op_type}"
            node.name = f"layer{number}"
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(EmbedgeError) as told:
        engine_from_onnx(tmp_path / "bad.onnx", tmp_path / "bad.plan", EngineOptions("fp32"))
    assert told.value.code == "E-TRT-PARSE"
    assert "op: MadePRelu" in told.value.what
    assert "op: MadeFlatten" in told.value.what
    assert "node 1" in told.value.what
    if GENERATION > 8:
        assert "'layer1' (MadePRelu)" in told.value.what
    assert not (tmp_path / "bad.plan").exists()


def test_a_refused_build_tells_tensorrts_reason_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedge.export.engines.tensorrt.builder_config._profile", lambda *_: None)
    with pytest.raises(EmbedgeError, match="no profile was set") as told:
        built(tmp_path)
    assert told.value.code == "E-TRT-BUILD"
    assert [path.name for path in tmp_path.iterdir()] == ["fp32.onnx"]


def test_fixed_batch_needs_no_profile(tmp_path: Path) -> None:
    graph = graph_file(tmp_path / "one.onnx", batch=1)
    card = engine_from_onnx(graph, tmp_path / "one.plan", EngineOptions("fp32", batches=(1, 1, 1)))
    assert card.batches == (1, 1, 1)
    with pytest.raises(EmbedgeError, match="fixed at 1"):
        engine_from_onnx(graph, tmp_path / "two.plan", EngineOptions("fp32", batches=(1, 2, 4)))


def test_strong_typing_refuses_a_graph_without_the_precision(tmp_path: Path) -> None:
    graph = graph_file(tmp_path / "fp32.onnx")
    with pytest.raises(EmbedgeError, match="no tensor of the graph is INT8"):
        engine_from_onnx(graph, tmp_path / "x.plan", EngineOptions("int8"))
    if GENERATION > 8:
        with pytest.raises(EmbedgeError, match="no tensor of the graph is HALF"):
            engine_from_onnx(graph, tmp_path / "x.plan", EngineOptions("fp16"))
    else:  # a weakly typed network takes FP16 from the flag
        card = engine_from_onnx(graph, tmp_path / "x.plan", EngineOptions("fp16"))
        assert "FP16" in card.flags


def test_dla_core_must_exist(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="this device has 1"):
        built(tmp_path, "fp16", dla=1)
    card = built(tmp_path, "fp16", dla=0)
    assert card.dla == 0
    assert "GPU_FALLBACK" in card.flags
    assert ("FP16" in card.flags) == (GENERATION < 11)


@OLD
def test_what_8_5_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match=r"8\.5\.2 does not offer version compatible"):
        built(tmp_path, version_compatible=True)
    with pytest.raises(EmbedgeError, match="does not offer hardware compatibility level"):
        built(tmp_path, hardware="ampere-plus")


@NEW
def test_compatibility_is_asked_for_and_written_down(tmp_path: Path) -> None:
    card = built(tmp_path, version_compatible=True, hardware="ampere-plus")
    assert card.version_compatible
    assert card.hardware == "ampere-plus"
    with pytest.raises(EmbedgeError, match="does not offer same compute capability"):
        built(tmp_path, hardware="same-capability")


@NEW
def test_progress_rises_to_one_and_ctrl_c_stops_the_build(tmp_path: Path) -> None:
    graph = graph_file(tmp_path / "g.onnx")
    told: list[float] = []
    engine_from_onnx(
        graph, tmp_path / "g.plan", EngineOptions("fp32"), progress=lambda at, _: told.append(at)
    )
    assert told == sorted(told)
    assert told[-1] == 1.0

    def stop(at: float, phase: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine_from_onnx(graph, tmp_path / "h.plan", EngineOptions("fp32"), progress=stop)
    assert not (tmp_path / "h.plan").exists()


def test_the_graphs_of_these_tests_are_valid(tmp_path: Path) -> None:
    for precision in ("fp32", "fp16", "int8"):
        graph = graph_file(tmp_path / f"{precision}.onnx", precision)
        onnx.checker.check_model(str(graph), full_check=True)
