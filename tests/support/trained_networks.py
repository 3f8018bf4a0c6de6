"""Really trained networks asked their self-test, ill and in health, and what came of it counted."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import onnx
from healthy_encoders import (
    ONE_POOL,
    RUNTIMES,
    Embedder,
    Run,
    artifact_of,
    faces,
    graphs_of,
    healthy,
    runner,
)
from onnx import numpy_helper
from sick_encoders import flushing, sick_ones

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

NETWORKS = {
    "w600k_mbf": (512, "rgb-scaled"),
    "insightface_y1": (128, "rgb-scaled"),
    "foamliu_mbf": (128, "rgb-imagenet"),
}
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


@dataclass
class Ill:
    """How many faults were asked; those not seen, and those seen under another name."""

    asked: int = 0
    unseen: list[tuple[str, str]] = field(default_factory=list)
    unnamed: list[tuple[str, str, Sequence[str]]] = field(default_factory=list)


@dataclass
class Well:
    runs: int = 0
    alarms: list[tuple[str, str]] = field(default_factory=list)


def trained_network(real: Path, name: str, folder: Path) -> Embedder:
    dim, feeding = NETWORKS[name]
    contract = FEEDINGS[feeding].of(EmbeddingContract("a space", "a model", dim))
    graph = folder / "float.onnx"
    model = freed(onnx.load(real / "models" / f"{name}.onnx"))
    said = model.metadata_props.add()
    said.key, said.value = METADATA_KEY, json.dumps(contract.to_json())
    onnx.save(model, graph)
    names = picture_files(real / "lfw-dev")
    picked = np.random.default_rng(3).permutation(len(names))[:28]
    crops = np.stack([rgb_from_picture(real / "lfw-dev" / names[i]) for i in picked])
    graphs = graphs_of(graph, contract, folder / "graphs", crops)
    golden = golden_from_graphs(graphs, contract, faces(3, 57))
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


def ill(who: Embedder, runtimes: tuple[str, ...]) -> Ill:
    """Every fault on each of these; healthy ones must pass before."""
    align, told = aligned_to(who.contract.template, who.contract.size), Ill()
    for runtime in runtimes:
        artifact = artifact_of(runtime)
        well = healthy(runner(who.graph(runtime), runtime), who.contract)
        found = self_test(well, who.golden, artifact, align=align)
        assert found.findings == ()
        for name, sick in sick_ones(who, runtime):
            found = self_test(sick.embed, who.golden, artifact, align=sick.align or align)
            names = [finding.fault for finding in found.findings]
            told.asked += 1
            told.unseen += [(runtime, name)] if found.passed else []
            told.unnamed += [] if set(names) & sick.names else [(runtime, name, names)]
    return told


def dropping_denormals(who: Embedder, runtimes: tuple[str, ...] = RUNTIMES) -> Ill:
    told = Ill()
    for runtime in runtimes:
        golden, _, sick = flushing(who, runtime)
        found = self_test(sick, golden, artifact_of(runtime))
        names = [finding.fault for finding in found.findings]
        told.asked += 1
        told.unseen += [(runtime, "denormal")] if found.passed else []
        told.unnamed += [] if names == ["denormal-flush"] else [(runtime, "denormal", names)]
    return told


def well(who: Embedder, converted: tuple[str, ...], rounded: int = 15) -> Well:
    align, told = aligned_to(who.contract.template, who.contract.size), Well()
    for artifact, way, embed in healthy_ways(who, converted, rounded):
        found = self_test(embed, who.golden, artifact, align=align)
        told.runs += 1
        told.alarms += [] if found.passed else [(artifact, str(way))]
    return told


def healthy_ways(
    who: Embedder, converted: tuple[str, ...], rounded: int
) -> Iterator[tuple[str, object, Embed]]:
    """The right answers by other roads: fusions, threads, runtimes, and rounding the other way."""
    for artifact, level, careful, threads in product(RUNTIMES[:3], LEVELS, (False, True), (1, 2)):
        run = runner(who.graph(artifact), artifact, threads=threads, level=level, careful=careful)
        yield artifact, (level, careful, threads), healthy(run, who.contract)
    integer = [("int8-cpu", runner(who.graph("int8-cpu"), "int8-cpu"))]
    for artifact, threads in product(("fp32", "int8-cpu", *converted), (1, 2)):
        if threads > 1 and artifact in ONE_POOL:
            continue
        engine = artifact if artifact in converted else "openvino"
        run = runner(who.graph(artifact), engine, threads=threads)
        yield artifact, (engine, threads), healthy(run, who.contract)
        integer += [(artifact, run)] if "int8" in artifact and threads == 1 else []
    for (artifact, run), seed in product(integer, range(rounded)):
        yield artifact, ("rounded elsewhere", seed), rounding_elsewhere(run, who.contract, seed)


def rounding_elsewhere(run: Run, contract: EmbeddingContract, seed: int) -> Embed:
    """A third of a grey level decides anew what every layer rounds up and what down."""
    noise = np.random.default_rng(seed)
    std = np.reshape(np.asarray(contract.std, np.float32), (-1, 1, 1))

    def embed(crops: np.ndarray) -> np.ndarray:
        tensor = tensor_from_crops(crops, contract)
        tensor += noise.normal(0, 0.3, tensor.shape).astype(np.float32) / std
        return unit_rows(run(tensor).astype(np.float32))

    return embed
