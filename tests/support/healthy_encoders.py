"""Networks of random weights on every runtime, and what is asked of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
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
from embedge.runtime.encoders import tensor_from_crops, unit_rows
from embedge.runtime.encoders.executorch.encoder import ExecuTorchEncoder
from embedge.runtime.encoders.litert import LiteRtEncoder
from embedge.runtime.encoders.ncnn import NcnnEncoder
from embedge.runtime.selftest.asking import Embed
from embedge.runtime.selftest.golden import Golden
from embedge.train.models.mobilefacenet import Activation, mobilefacenet
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


def student(seed: int, activation: Activation) -> nn.Module:
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


def random_embedder(folder: Path, seed: int, activation: Activation) -> Embedder:
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
        if flush:  # they compute in the thread that asks
            torch.set_flush_denormal(True)
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


def converted_encoder(
    model: bytes, runtime: str, threads: int = 1
) -> NcnnEncoder | LiteRtEncoder | ExecuTorchEncoder:
    """A float ONNX file as `export-target` would convert it, whatever the width of its answer."""
    contract = read_contract(Graph.from_model(onnx.load_model_from_string(model)))
    answer = runner(model, "fp32")(np.zeros((1, 3, contract.size, contract.size), np.float32))
    contract, files = replace(contract, dim=answer.size), _converted_files(model, runtime)
    if runtime.endswith("ncnn"):
        text, weights = files
        return NcnnEncoder(text, weights, contract, threads=threads)
    (program,) = files
    engine = LiteRtEncoder if runtime.endswith("litert") else ExecuTorchEncoder
    return engine(program, contract, threads=threads)


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
