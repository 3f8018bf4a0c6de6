"""Encoders with one fault each, made the way the field makes them, and healthy ones beside."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

from embedge.export.fp16 import fp16_from_onnx
from embedge.export.golden import golden_from_graphs, golden_with
from embedge.export.graph.running import read_contract
from embedge.export.graph.surgery import Graph
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.student import onnx_from_student
from embedge.export.targets.executorch import (
    executorch_from_network,
    executorch_int8_from_network,
)
from embedge.export.targets.litert import litert_from_onnx, litert_int8_from_graph
from embedge.export.targets.ncnn import ncnn_from_onnx
from embedge.export.targets.ncnn_int8 import ncnn_int8_from_graph
from embedge.pipeline.targets.torch_network import torch_network
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import RowEncoder, tensor_from_crops, unit_rows
from embedge.runtime.encoders.executorch.encoder import ExecuTorchEncoder
from embedge.runtime.encoders.litert import LiteRtEncoder
from embedge.runtime.encoders.ncnn import NcnnEncoder
from embedge.runtime.selftest.asking import Align, Embed, aligned_to
from embedge.runtime.selftest.golden import Golden
from embedge.train.models.mobilefacenet import mobilefacenet
from embedge.train.render import FaceRenderer

Run = Callable[[np.ndarray], np.ndarray]
DIM = 64
RUNTIMES = ("fp32", "fp16", "int8-cpu", "openvino")
ONE_POOL = ("fp32-executorch", "int8-executorch")  # its threads are those of the process
CONVERTED = ("fp32-ncnn", "fp32-litert", "int8-ncnn", "int8-litert", *ONE_POOL)
_PACKAGES = {
    "ncnn": ("ncnn", "pnnx"),
    "litert": ("ai_edge_litert",),
    "executorch": ("executorch", "torchao"),
}


@dataclass(frozen=True)
class Embedder:
    """The graphs of one network, those of another one of the same shape, and the golden file."""

    graphs: dict[str, Path]
    others: dict[str, Path]
    contract: EmbeddingContract
    golden: Golden

    def graph(self, runtime: str) -> bytes:
        return self.graphs[_made_from(runtime)].read_bytes()

    def converted(self, names: tuple[str, ...]) -> "Embedder":
        """The same, its golden file as it is once the network was exported for other runtimes."""
        golden = self.golden
        for name in names:
            with converted_encoder(self.graph(name), name) as encoder:
                golden = golden_with(golden, name, name[:4], encoder)
        return replace(self, golden=Golden.parsed(golden.to_bytes()))


@dataclass(frozen=True)
class Sick:
    """What is asked, and the names under which its fault may be found."""

    names: frozenset[str]
    embed: Embed
    align: Align | None = None


def artifact_of(runtime: str) -> str:
    return "fp32" if runtime == "openvino" else runtime


def converted_here() -> tuple[str, ...]:
    """Those whose packages are installed."""
    missing = {key for key, needs in _PACKAGES.items() if not all(map(find_spec, needs))}
    return tuple(name for name in CONVERTED if name[5:] not in missing)


def _made_from(runtime: str) -> str:
    return "fp32" if runtime in CONVERTED else artifact_of(runtime)


def faces(count: int, seed: int) -> np.ndarray:
    return FaceRenderer(seed, 0.5).render(np.arange(count), np.zeros(count, int)).images


def student(seed: int, activation: str) -> nn.Module:
    """Random weights whose batch norms have seen faces, so that answers differ between them."""
    torch.manual_seed(seed)
    net = mobilefacenet(DIM, scale=1, width=0.125, activation=activation)
    crops = torch.from_numpy(faces(24, seed + 1).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        for _ in range(30):
            net((crops.float() - 127.5) / 127.5)
    return net.eval()


def graphs_of(
    net_or_file: nn.Module | Path, contract: EmbeddingContract, folder: Path, crops: np.ndarray
) -> dict[str, Path]:
    folder.mkdir(parents=True)
    graphs = {name: folder / f"{name}.onnx" for name in ("fp32", "fp16", "int8-cpu")}
    if isinstance(net_or_file, Path):
        graphs["fp32"] = net_or_file
    else:
        onnx_from_student(net_or_file, contract, graphs["fp32"])
    fp16_from_onnx(graphs["fp32"], graphs["fp16"], images=crops[:8])
    qdq_from_onnx(graphs["fp32"], crops, graphs["int8-cpu"])
    return graphs


def random_embedder(folder: Path, seed: int, activation: str) -> Embedder:
    contract = EmbeddingContract(f"space {seed}", f"model {seed}", DIM)
    crops = faces(16, 90 + seed)
    graphs = graphs_of(student(seed, activation), contract, folder / "right", crops)
    others = graphs_of(student(seed + 50, activation), contract, folder / "other", crops)
    golden = Golden.parsed(golden_from_graphs(graphs, contract, faces(3, 57)))
    return Embedder(graphs, others, contract, golden)


def runner(
    model: bytes,
    runtime: str,
    *,
    threads: int = 1,
    flush: bool = False,
    level: str = "ORT_ENABLE_ALL",
    careful: bool = False,
) -> Run:
    """The network alone: a tensor in, rows out, on one of the runtimes. `level` and `careful`
    make ONNX Runtime go another way through it, as it does on another processor."""
    if runtime == "openvino":
        return _openvino_runner(model, threads, flush=flush)
    if runtime in CONVERTED:
        return converted_encoder(model, runtime, threads)._run
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.add_session_config_entry("session.x64quantprecision", str(int(careful)))
    if flush:  # in ONNX Runtime the first session of a process decides for all; so the thread does
        torch.set_flush_denormal(True)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda tensor: session.run(None, {name: tensor})[0]


def _openvino_runner(model: bytes, threads: int, *, flush: bool) -> Run:
    from embedge.runtime.encoders.openvino import shared_core

    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    if flush:
        hints["CPU_DENORMALS_OPTIMIZATION"] = True
    core = shared_core()
    compiled = core.compile_model(core.read_model(model, b""), "CPU", hints)
    return lambda tensor: np.array(compiled.create_infer_request().infer([tensor])[0])


def converted_encoder(model: bytes, runtime: str, threads: int = 1) -> RowEncoder:
    """A float ONNX file as `export-target` would convert it, whatever the width of its answer."""
    contract = read_contract(Graph.from_model(onnx.load_model_from_string(model)))
    answer = runner(model, "fp32")(np.zeros((1, 3, contract.size, contract.size), np.float32))
    contract, files = replace(contract, dim=answer.size), _converted_files(model, runtime)
    if runtime.endswith("ncnn"):
        return NcnnEncoder(*files, contract, threads=threads)
    engine = LiteRtEncoder if runtime.endswith("litert") else ExecuTorchEncoder
    return engine(*files, contract, threads=threads)


@lru_cache(maxsize=64)
def _converted_files(model: bytes, runtime: str) -> tuple[bytes, ...]:
    graph = Graph.from_model(onnx.load_model_from_string(model))
    contract = read_contract(graph)
    made = {
        "fp32-ncnn": lambda: ncnn_from_onnx(model, contract.size, half=False),
        "fp32-litert": lambda: litert_from_onnx(model, half=False),
        "int8-ncnn": lambda: ncnn_int8_from_graph(graph, faces(16, 90)),
        "int8-litert": lambda: litert_int8_from_graph(graph, faces(16, 90)),
        "fp32-executorch": lambda: executorch_from_network(torch_network(graph), contract),
        "int8-executorch": lambda: executorch_int8_from_network(
            torch_network(graph), faces(16, 90), contract
        ),
    }[runtime]()
    return tuple(made.files.values())


def healthy(run: Run, contract: EmbeddingContract) -> Embed:
    return lambda crops: unit_rows(run(tensor_from_crops(crops, contract)).astype(np.float32))


def in_batches(embed: Embed, largest: int) -> Embed:
    """The same answers, asked as somebody does who always fills his batch of `largest`."""

    def filled(crops: np.ndarray) -> np.ndarray:
        parts = [crops[start : start + largest] for start in range(0, len(crops), largest)]
        rows = [embed(np.resize(part, (largest, *part.shape[1:])))[: len(part)] for part in parts]
        return np.concatenate(rows)

    return filled


def sick_ones(who: Embedder, runtime: str) -> Iterator[tuple[str, Sick]]:
    """Each fault by a name of its own."""
    contract, model = who.contract, who.graph(runtime)
    run = runner(model, runtime)
    well = healthy(run, contract)
    mean, std = (np.reshape(np.float32(v), (-1, 1, 1)) for v in (contract.mean, contract.std))

    def fed(change: Callable[[np.ndarray], np.ndarray], network: Run = run) -> Embed:
        def embed(crops: np.ndarray) -> np.ndarray:
            tensor = np.ascontiguousarray(change(tensor_from_crops(crops, contract)), np.float32)
            return unit_rows(network(tensor).astype(np.float32))

        return embed

    swapped = replace(contract, colour="BGR" if contract.colour == "RGB" else "RGB")
    yield "BGR", Sick(frozenset({"colour-order"}), healthy(run, swapped))
    twice = {"double-normalisation"}
    yield "normalised twice", Sick(frozenset(twice), fed(lambda x: (x - mean) / std))
    missing = {"missing-normalisation"}
    yield "not normalised", Sick(frozenset(missing), fed(lambda x: x * std + mean))
    yield (
        "NHWC",
        Sick(frozenset({"layout"}), fed(lambda x: x.transpose(0, 2, 3, 1).reshape(x.shape))),
    )
    for across, down in ((4, 0), (-4, 0), (0, -4), (4, 4), (-4, 4)):
        embed = _shifted(well, across, down)
        yield f"shift {across},{down}", Sick(frozenset({"shift"}), embed)
    for name, points in _templates(contract).items():
        sick = Sick(frozenset({"template"}), well, aligned_to(points, contract.size))
        yield f"template {name}", sick
    dead = runner(_collapsed(model), runtime)
    yield "collapse", Sick(frozenset({"collapse"}), healthy(dead, contract))
    other = runner(_other(who, runtime), runtime)
    yield "another network", Sick(frozenset({"stale-weights"}), healthy(other, contract))
    yield (
        "another output",
        Sick(
            frozenset({"wrong-output"}),
            healthy(runner(_tapped(model), runtime), contract),
        ),
    )
    yield (
        "unnormalised",
        Sick(frozenset({"unnormalised"}), lambda crops: run(tensor_from_crops(crops, contract))),
    )
    mixed = frozenset({"mix-up"})
    yield "rows turned", Sick(mixed, lambda crops: np.roll(well(crops), 1, axis=0))
    yield "first row for all", Sick(mixed, lambda crops: well(crops)[:1].repeat(len(crops), 0))
    yield "threads share a buffer", Sick(mixed, _racing(well))
    ranges = frozenset({"colour-range"})
    yield "0 to 1", Sick(ranges, fed(lambda x: (x * std + mean) / 255))
    yield "video range", Sick(ranges, _through_video(well))


def flushing(who: Embedder, runtime: str) -> tuple[Golden, Embed, Embed]:
    """(golden, healthy, sick): a network with denormal weights, on a runtime that drops them."""
    model = _with_denormal_tail(who.graph(runtime), who.contract.dim)
    path = who.graphs["fp16"].parent / f"denormal-{runtime}.onnx"
    path.write_bytes(model)
    artifact = artifact_of(runtime)
    golden = golden_from_graphs({artifact: path}, who.contract, who.golden.faces)
    well = healthy(runner(model, runtime), who.contract)
    return Golden.parsed(golden), well, _in_a_thread_of_its_own(model, runtime, who.contract)


def _in_a_thread_of_its_own(model: bytes, runtime: str, contract: EmbeddingContract) -> Embed:
    """A session that flushes sets the mode of the thread it runs in, and leaves it set."""

    def embed(crops: np.ndarray) -> np.ndarray:
        found: list[np.ndarray] = []

        def work() -> None:
            run = runner(model, runtime, flush=True)
            found.append(healthy(run, contract)(crops))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return found[0]

    return embed


def _shifted(embed: Embed, across: int, down: int) -> Embed:
    """Cut beside the face: black where the camera saw nothing."""

    def moved(crops: np.ndarray) -> np.ndarray:
        size = crops.shape[1]
        wide = np.pad(crops, ((0, 0), (8, 8), (8, 8), (0, 0)))
        return wide[:, 8 - down : 8 - down + size, 8 - across : 8 - across + size]

    return lambda crops: embed(np.ascontiguousarray(moved(crops)))


def _templates(contract: EmbeddingContract) -> dict[str, np.ndarray]:
    points = np.asarray(contract.template)
    return {
        "of 96 by 112": np.subtract(points, [8, 0]),
        "of 128 pixels": np.add(points, [8, 0]) * contract.size / 128,
        "with more of the head": (points - points.mean(axis=0)) * 0.8 + points.mean(axis=0),
    }


def _through_video(embed: Embed) -> Embed:
    """Decoded as if black were 0 and white 255, though the camera wrote 16 to 235."""
    return lambda crops: embed(np.rint(crops * (219 / 255) + 16).astype(np.uint8))


def _racing(embed: Embed) -> Embed:
    """One input tensor for all: whoever writes last is answered to everybody."""
    shared: dict[str, np.ndarray] = {}

    def raced(crops: np.ndarray) -> np.ndarray:
        shared["input"] = crops
        time.sleep(0.002)
        return embed(shared["input"])

    return raced


def _collapsed(model: bytes) -> bytes:
    """The first layer's numbers fall under the smallest step, or into one."""
    graph = onnx.load_from_string(model)
    scales = {n.input[1] for n in graph.graph.node if n.op_type == "QuantizeLinear"}
    weights = {n.input[1] for n in graph.graph.node if n.op_type == "Conv"}
    if scales:
        first = next(
            n
            for n in graph.graph.node
            if n.op_type == "QuantizeLinear" and n.input[0] != graph.graph.input[0].name
        )
        _scaled(graph, {first.input[1]}, 300)
    else:
        first = next(n for n in graph.graph.node if n.op_type == "Conv")
        _scaled(graph, {first.input[1]} & weights, 1e-4)
    return graph.SerializeToString()


def _scaled(graph: onnx.ModelProto, names: set[str], factor: float) -> None:
    for tensor in graph.graph.initializer:
        if tensor.name in names:
            values = numpy_helper.to_array(tensor)
            changed = (values * values.dtype.type(factor)).astype(values.dtype)
            tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))


def _tapped(model: bytes) -> bytes:
    """What the last layer reads: the pooled features, laid flat."""
    graph = onnx.load_from_string(model)
    layers = [n for n in graph.graph.node if n.op_type in ("Gemm", "MatMul", "Conv")]
    graph.graph.node.append(helper.make_node("Flatten", [layers[-1].input[0]], ["flat"]))
    del graph.graph.output[:]
    graph.graph.output.append(onnx.ValueInfoProto(name="flat"))
    return graph.SerializeToString()


def _with_denormal_tail(model: bytes, dim: int) -> bytes:
    """Half of the embedding passes through numbers that a flushing processor loses."""
    graph = onnx.load_from_string(model)
    (output,) = graph.graph.output
    half = np.arange(dim) % 2 == 0
    tiny, back = (np.where(half, value, 1).astype(np.float32) for value in (1e-40, 1e20))
    for name, value in (
        ("tiny", tiny),
        ("back", back),
        ("low", np.float32(-1e30)),
        ("high", np.float32(1e30)),
    ):
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    graph.graph.node.extend(
        [
            helper.make_node("Mul", [output.name, "tiny"], ["small"]),
            helper.make_node("Clip", ["small", "low", "high"], ["clipped"]),
            helper.make_node("Mul", ["clipped", "back"], ["middle"]),
            helper.make_node("Clip", ["middle", "low", "high"], ["again"]),
            helper.make_node("Mul", ["again", "back"], ["whole"]),
        ]
    )
    output.name = "whole"
    return graph.SerializeToString()


def _other(who: Embedder, runtime: str) -> bytes:
    """Another network of this shape; of a real one, with its last layer shuffled."""
    if who.others:
        return who.others[_made_from(runtime)].read_bytes()
    graph = onnx.load_from_string(who.graph(runtime))
    layer = [node for node in graph.graph.node if node.op_type in ("Gemm", "MatMul", "Conv")][-1]
    known = {tensor.name: tensor for tensor in graph.graph.initializer}
    makers = {name: node for node in graph.graph.node for name in node.output}
    name = layer.input[1]
    while name not in known:
        name = makers[name].input[0]
    tensor = known[name]
    values = numpy_helper.to_array(tensor)
    shuffled = np.random.default_rng(0).permutation(values.ravel()).reshape(values.shape)
    tensor.CopyFrom(numpy_helper.from_array(shuffled, name))
    return graph.SerializeToString()
