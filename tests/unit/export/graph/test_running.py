"""A graph fed as its contract says, and what it then shows."""

from pathlib import Path

import numpy as np
import pytest
from graphs import graph_of
from numpy.typing import NDArray
from onnx import helper
from small_face import CONTRACT, embed

from embedge.errors import EmbedgeError
from embedge.export.graph.running import batches_of, embeddings_of, observe, read_contract, stamp
from embedge.export.graph.surgery import Graph
from embedge.runtime.contract import EmbeddingContract


def test_inner_tensors_are_shown_batch_by_batch(pictures: NDArray[np.uint8]) -> None:
    nodes = [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["y"])]
    graph = graph_of(nodes, {})
    seen = list(observe(graph, ["x", "a"], batches_of(pictures, CONTRACT)))
    assert [len(values["x"]) for values in seen] == [16, len(pictures) - 16]
    for values in seen:
        np.testing.assert_array_equal(values["a"], np.abs(values["x"]))
    assert [item.name for item in graph.outputs] == ["y"]  # the graph stays as it was


def test_only_the_input_needs_no_session(pictures: NDArray[np.uint8]) -> None:
    graph = graph_of([helper.make_node("Abs", ["x"], ["y"])], {})
    (values,) = observe(graph, ["x"], [next(batches_of(pictures, CONTRACT))])
    assert values["x"].min() >= -1
    assert values["x"].max() <= 1


def test_a_graph_a_file_and_its_bytes_embed_alike(
    student_file: Path, pictures: NDArray[np.uint8]
) -> None:
    expected = embed(student_file, pictures)
    for model in (student_file, student_file.read_bytes(), Graph.read(student_file)):
        np.testing.assert_allclose(embeddings_of(model, pictures), expected, atol=1e-5)


def test_a_stamped_contract_is_read_and_a_foreign_graph_has_none() -> None:
    graph = graph_of([helper.make_node("Abs", ["x"], ["y"])], {})
    with pytest.raises(EmbedgeError, match=r"E-FEEDING-UNSTATED.*--mean"):
        read_contract(graph)
    contract = EmbeddingContract(space="s" * 64, model="m", dim=16, mean=128.0)
    stamp(graph, contract)
    assert read_contract(Graph.from_model(graph.to_model())) == contract
