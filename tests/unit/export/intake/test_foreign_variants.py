"""Every form of a foreign network is quantised as itself, or ends in one error with a remedy."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from foreign_variants import NAMES, SCALED, Variant, variants
from small_face import CONTRACT, small_face, smooth_pictures
from tiny_vit import tiny_vit

from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import EmbedgeError
from embedge.export.graph.running import embeddings_of
from embedge.export.int8.placement import Target
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.intake.intake import Claims, taken_in
from embedge.export.student import onnx_from_student

PICTURES, OTHERS = smooth_pictures(16), smooth_pictures(12, seed=9)
NEAR = 0.98  # first percentile; halves and the rounding of tiny networks included


def base_model(path: Path) -> onnx.ModelProto:
    """As somebody else would have exported it: without a contract."""
    onnx_from_student(small_face(), CONTRACT, path, lower=False)
    model = onnx.load(path)
    del model.metadata_props[:]
    return model


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Variant]:
    return dict(variants(base_model(tmp_path_factory.mktemp("base") / "base.onnx")))


def test_the_list_is_whole(every: dict[str, Variant]) -> None:
    assert sorted(every) == sorted(NAMES)
    assert sum(one.refusal is None for one in every.values()) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_variant(every: dict[str, Variant], tmp_path: Path, name: str) -> None:
    variant = every[name]
    path, asked = variant.write(tmp_path), variant.asked
    if asked.weights is not None:
        asked = replace(asked, weights=tmp_path)
    if variant.refusal is not None:
        with pytest.raises(EmbedgeError, match=variant.refusal):
            taken_in(path, PICTURES, asked)
        return
    taken = taken_in(path, PICTURES, asked)
    plan = qdq_from_onnx(taken.graph, PICTURES, tmp_path / "q.onnx")
    assert plan.integer >= 8
    found = cosines_of(variant.answers(OTHERS), embeddings_of(tmp_path / "q.onnx", OTHERS))
    assert found.p1 > NEAR


def layers_by_position(path: Path) -> list[tuple[str, bool]]:
    """Every convolution and matrix product in its order, and whether it runs in INT8."""
    nodes = onnx.load(path).graph.node
    codes = {name for n in nodes if n.op_type == "DequantizeLinear" for name in n.output}
    layers = [node for node in nodes if node.op_type in {"Conv", "Gemm", "MatMul"}]
    return [(node.op_type, node.input[1] in codes) for node in layers]


@pytest.mark.parametrize("target", ["cpu", "qdq", "trt"])
def test_without_names_the_same_layers_stay_in_float(
    every: dict[str, Variant], tmp_path: Path, target: Target
) -> None:
    """A rule that finds its layers by name finds none, or all: a cosine hardly tells."""
    plans, layers = [], []
    for name in ("as it is", "unnamed nodes"):
        taken = taken_in(every[name].write(tmp_path), PICTURES, every[name].asked)
        path = tmp_path / f"{name}.int8.onnx"
        plans.append(qdq_from_onnx(taken.graph, PICTURES, path, target=target))
        layers.append(layers_by_position(path))
    named, unnamed = plans
    assert named.last
    assert list(unnamed.last.values()) == list(named.last.values())
    assert (unnamed.layers, unnamed.integer) == (named.layers, named.integer)
    assert layers[0] == layers[1]
    assert {kept for _, kept in layers[0]} == {True, False}


@pytest.mark.parametrize("free", [True, False])
def test_a_small_vit_is_quantised_in_its_matrix_products(tmp_path: Path, free: bool) -> None:
    variant = Variant(tiny_vit(tmp_path / "vit.onnx", free=free), Claims(SCALED))
    taken = taken_in(tmp_path / "vit.onnx", PICTURES, variant.asked)
    plan = qdq_from_onnx(taken.graph, PICTURES, tmp_path / "q.onnx")
    assert plan.integer >= 8
    assert len(plan.unknown) == 4  # two products of activations in each block
    found = cosines_of(variant.answers(OTHERS), embeddings_of(tmp_path / "q.onnx", OTHERS))
    assert found.p1 > NEAR
