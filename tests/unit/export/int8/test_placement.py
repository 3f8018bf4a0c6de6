"""Where Q and DQ stand, node by node, against graphs that were looked at.

After an intended change: python tests/unit/export/int8/test_placement.py writes the files again.
"""

from pathlib import Path

import numpy as np
import pytest
from graphs import graph_of
from onnx import helper

from embedge.export.graph.surgery import Graph
from embedge.export.int8.placement import Target, place, wanted_tensors
from embedge.export.int8.ranges import Range

GOLDEN = Path(__file__).resolve().parents[3] / "golden"
node = helper.make_node


def residual_block() -> Graph:
    """conv → PReLU → depthwise → conv, added to what came in; then flattened and embedded."""
    rng = np.random.default_rng(0)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    nodes = [
        node("Conv", ["x", "w0", "b0"], ["stem"], name="stem"),
        node("Conv", ["stem", "w1", "b1"], ["wide"], name="expand"),
        node("PRelu", ["wide", "slope"], ["bent"], name="act"),
        node("Conv", ["bent", "w2", "b2"], ["deep"], name="depthwise", group=8, pads=[1] * 4),
        node("Relu", ["deep"], ["cut"], name="relu"),
        node("Conv", ["cut", "w3", "b3"], ["thin"], name="project"),
        node("Add", ["thin", "stem"], ["sum"], name="residual"),
        node("Flatten", ["sum"], ["flat"], name="flatten"),
        node("Gemm", ["flat", "w4", "b4"], ["y"], name="embed", transB=1),
    ]
    constants = {
        "w0": floats(4, 3, 1, 1),
        "w1": floats(8, 4, 1, 1),
        "w2": floats(8, 1, 3, 3),
        "w3": floats(4, 8, 1, 1),
        "w4": floats(5, 4 * 6 * 6),
        "slope": rng.uniform(0, 1, (8, 1, 1)).astype(np.float32),
        **{f"b{i}": floats(n) for i, n in enumerate((4, 8, 8, 4, 5))},
    }
    return graph_of(nodes, constants, shape=("batch", 3, 6, 6))


def placed(target: Target, kept: frozenset[str] = frozenset()) -> Graph:
    graph = residual_block()
    wanted = wanted_tensors(graph, target, kept=kept)
    place(graph, wanted, {name: Range(-1, 2) for name in wanted.tensors}, target)
    return graph


def listing(graph: Graph) -> str:
    lines = []
    for item in graph.nodes:
        constants = [f"{v.dtype}{list(v.shape)}" for _, v in graph.constant_inputs(item)]
        tensors = [name for name in item.input if name not in graph.constants]
        reads = ", ".join([*tensors, *constants])
        lines.append(f"{item.output[0]} = {item.op_type}({reads})")
    return "\n".join(sorted(lines)) + "\n"


CASES: list[tuple[str, Target, frozenset[str]]] = [
    ("qdq-cpu", "cpu", frozenset()),
    ("qdq-trt", "trt", frozenset()),
    ("qdq-cpu-kept", "cpu", frozenset(["depthwise"])),
]


@pytest.mark.parametrize(("name", "target", "kept"), CASES)
def test_placement_is_the_golden_one(name: str, target: Target, kept: frozenset[str]) -> None:
    assert listing(placed(target, kept)) == (GOLDEN / f"{name}.txt").read_text()


def test_readers_share_codes_and_have_a_dequantiser_each() -> None:
    graph = placed("cpu")
    readers = [n for n in graph.consumers("stem.q") if n.op_type == "DequantizeLinear"]
    assert len(readers) == 2
    assert all(len(graph.consumers(n.output[0])) == 1 for n in readers)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for case, wanted_target, in_float in CASES:
        (GOLDEN / f"{case}.txt").write_text(listing(placed(wanted_target, in_float)))
