from pathlib import Path

import pytest
from tiny_graphs import graph_file

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.placement import _placement, node_placement

CPU = "CPUExecutionProvider"


def test_every_node_is_counted_where_it_ran(tmp_path: Path) -> None:
    found = node_placement(graph_file(tmp_path / "g.onnx"))
    assert set(found) == {CPU}
    convolutions = sum(n for name, n in found[CPU].items() if "Conv" in name)
    assert convolutions == 2
    assert sum(found[CPU].values()) >= 5


def test_no_profile_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    node_placement(graph_file(tmp_path / "g.onnx"))
    assert [path.name for path in tmp_path.iterdir()] == ["g.onnx"]


def test_kernels_run_twice_are_one_node() -> None:
    node = {"cat": "Node", "args": {"provider": CPU, "op_name": "Conv"}}
    other = {"cat": "Session", "name": "model_run", "args": {}}
    events = [{**node, "name": "a"}, {**node, "name": "a"}, {**node, "name": "b"}, other]
    assert _placement(events) == {CPU: {"Conv": 2}}


def test_a_provider_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError) as told:
        node_placement(graph_file(tmp_path / "g.onnx"), require_provider="NoSuchProvider")
    assert told.value.code == "E-PROVIDER"
