"""Three really trained networks, each with every fault on every runtime, and healthy."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from sick_encoders import (
    CONVERTED,
    RUNTIMES,
    Embedder,
    Run,
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
from embedge.runtime.encoders import tensor_from_crops, unit_rows
from embedge.runtime.encoders.ort import METADATA_KEY
from embedge.runtime.encoders.preprocessing import FEEDINGS
from embedge.runtime.picture.images import rgb_from_picture
from embedge.runtime.selftest.asking import Embed, aligned_to
from embedge.runtime.selftest.golden import Golden
from embedge.runtime.selftest.selftest import self_test

pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
pytestmark = pytest.mark.real
NETWORKS = {
    "w600k_mbf": (512, "rgb-scaled"),
    "insightface_y1": (128, "rgb-scaled"),
    "foamliu_mbf": (128, "rgb-imagenet"),
}

LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


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


def exported(trained: Embedder) -> Embedder:
    """As its bundle is once it was exported for ncnn and LiteRT."""
    for name in ("ncnn", "pnnx", "ai_edge_litert"):
        pytest.importorskip(name)
    both = trained.converted()
    assert len(both.golden.to_bytes()) < 300_000
    return both


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


@pytest.mark.parametrize(
    "runtimes",
    [RUNTIMES, pytest.param(CONVERTED, marks=pytest.mark.slow)],
    ids=["read", "converted"],
)
def test_every_fault_is_seen_and_nearly_every_one_named(
    trained: Embedder, runtimes: tuple[str, ...]
) -> None:
    who = exported(trained) if runtimes is CONVERTED else trained
    align = aligned_to(who.contract.template, who.contract.size)
    unseen, unnamed, total = [], [], 0
    for runtime in runtimes:
        artifact = artifact_of(runtime)
        well = healthy(runner(who.graph(runtime), runtime), who.contract)
        found = self_test(well, who.golden, artifact, align=align)
        assert found.findings == ()
        assert found.seconds < 10  # under two on a machine that does nothing else
        for name, sick in sick_ones(who, runtime):
            found = self_test(sick.embed, who.golden, artifact, align=sick.align or align)
            total += 1
            unseen += [(runtime, name)] if found.passed else []
            named = {finding.fault for finding in found.findings} & sick.names
            unnamed += [] if named else [(runtime, name, found.findings)]
    print(f"{total} asked, unseen {unseen}, named otherwise {unnamed}")
    assert unseen == []
    assert len(unnamed) <= 0.1 * total, unnamed


def healthy_ways(who: Embedder) -> Iterator[tuple[str, object, Embed]]:
    """The right answers by other roads: fusions, threads, runtimes, and rounding the other way."""
    for artifact, level, careful, threads in product(RUNTIMES[:3], LEVELS, (False, True), (1, 2)):
        run = runner(who.graph(artifact), artifact, threads=threads, level=level, careful=careful)
        yield artifact, (level, careful, threads), healthy(run, who.contract)
    integer = [("int8-cpu", runner(who.graph("int8-cpu"), "int8-cpu"))]
    for artifact, threads in product(("fp32", "int8-cpu", *CONVERTED), (1, 2)):
        engine = artifact if artifact in CONVERTED else "openvino"
        run = runner(who.graph(artifact), engine, threads=threads)
        yield artifact, (engine, threads), healthy(run, who.contract)
        integer += [(artifact, run)] if "int8" in artifact and threads == 1 else []
    for (artifact, run), seed in product(integer, range(15)):
        yield artifact, ("rounded elsewhere", seed), rounding_elsewhere(run, who.contract, seed)


def rounding_elsewhere(run: Run, contract: EmbeddingContract, seed: int) -> Embed:
    """A third of a grey level decides anew what every layer rounds up and what down."""
    noise = np.random.default_rng(seed)
    std = np.reshape(np.float32(contract.std), (-1, 1, 1))

    def embed(crops: np.ndarray) -> np.ndarray:
        tensor = tensor_from_crops(crops, contract)
        tensor += noise.normal(0, 0.3, tensor.shape).astype(np.float32) / std
        return unit_rows(run(tensor).astype(np.float32))

    return embed


@pytest.mark.slow
def test_no_alarm_in_health(trained: Embedder) -> None:
    who = exported(trained)
    align = aligned_to(who.contract.template, who.contract.size)
    alarms, runs = [], 0
    for artifact, way, embed in healthy_ways(who):
        found = self_test(embed, who.golden, artifact, align=align)
        runs += 1
        alarms += [] if found.passed else [(artifact, way, found.findings)]
    print(f"{runs} healthy runs, alarms {alarms}")
    assert alarms == []
    assert runs >= 100


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_denormal_numbers_that_a_runtime_drops(trained: Embedder, runtime: str) -> None:
    golden, _, sick = flushing(trained, runtime)
    found = self_test(sick, golden, artifact_of(runtime))
    assert [finding.fault for finding in found.findings] == ["denormal-flush"]
