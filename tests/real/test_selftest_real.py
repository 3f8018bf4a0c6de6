"""Three really trained networks, each with every fault on every runtime, and healthy."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from sick_encoders import (
    RUNTIMES,
    Embedder,
    artifact_of,
    faces,
    flushing,
    graphs_of,
    healthy,
    runner,
    sick_ones,
)

from embedge.export.golden import golden_from_graphs
from embedge.export.int8.calibration_set import picture_files
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import METADATA_KEY
from embedge.runtime.encoders.preprocessing import FEEDINGS
from embedge.runtime.picture.images import rgb_from_picture
from embedge.runtime.selftest.asking import aligned_to
from embedge.runtime.selftest.golden import Golden
from embedge.runtime.selftest.selftest import self_test

pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
pytestmark = pytest.mark.real
NETWORKS = {
    "w600k_mbf": (512, "rgb-scaled"),
    "insightface_y1": (128, "rgb-scaled"),
    "foamliu_mbf": (128, "rgb-imagenet"),
}

# moves this network's INT8 answers to a cosine of 0.997: as far as another processor may
WITHIN_ROUNDING = {"foamliu_mbf": [("int8-cpu", "video range")]}


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def trained(
    request: pytest.FixtureRequest, real: Path, tmp_path_factory: pytest.TempPathFactory
) -> Embedder:
    folder = tmp_path_factory.mktemp("trained")
    dim, feeding = NETWORKS[request.param]
    contract = FEEDINGS[feeding].of(EmbeddingContract("a space", "a model", dim))
    graph = folder / "float.onnx"
    model = freed(onnx.load(real / "models" / f"{request.param}.onnx"))
    said = model.metadata_props.add()
    said.key, said.value = METADATA_KEY, json.dumps(contract.to_json())
    onnx.save(model, graph)
    names = picture_files(real / "lfw-dev")
    picked = np.random.default_rng(3).permutation(len(names))[:28]
    crops = np.stack([rgb_from_picture(real / "lfw-dev" / names[i]) for i in picked])
    graphs = graphs_of(graph, contract, folder / "graphs", crops)
    golden = golden_from_graphs(graphs, contract, faces(3, 57))
    assert len(golden) < 300_000
    return Embedder(graphs, {}, contract, Golden.parsed(golden))


def freed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Any number of pictures, where the author fixed it to one."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.value_info[:]
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output[0] == model.graph.node[-1].input[-1]:
            kept = np.array([-1, model.graph.output[0].type.tensor_type.shape.dim[1].dim_value])
            node.attribute[0].t.CopyFrom(numpy_helper.from_array(kept))
    return model


def test_every_fault_is_seen_and_nearly_every_one_named(
    trained: Embedder, request: pytest.FixtureRequest
) -> None:
    network = request.node.callspec.params["trained"]
    align = aligned_to(trained.contract.template, trained.contract.size)
    unseen, unnamed, total = [], [], 0
    for runtime in RUNTIMES:
        artifact = artifact_of(runtime)
        well = healthy(runner(trained.graph(runtime), runtime), trained.contract)
        found = self_test(well, trained.golden, artifact, align=align)
        assert found.findings == ()
        assert found.seconds < 10  # under two on a machine that does nothing else
        for name, sick in sick_ones(trained, runtime):
            found = self_test(sick.embed, trained.golden, artifact, align=sick.align or align)
            total += 1
            unseen += [(runtime, name)] if found.passed else []
            named = {finding.fault for finding in found.findings} & sick.names
            unnamed += [] if named else [(runtime, name, found.findings)]
    assert unseen == WITHIN_ROUNDING.get(network, [])[: len(unseen)]
    assert len(unnamed) <= 0.1 * total, unnamed


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_denormal_numbers_that_a_runtime_drops(trained: Embedder, runtime: str) -> None:
    golden, _, sick = flushing(trained, runtime)
    found = self_test(sick, golden, artifact_of(runtime))
    assert [finding.fault for finding in found.findings] == ["denormal-flush"]
