"""One network in the files of every target, its peers and its samples, each made when asked for."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from peers import NncfEncoder, nncf_default, ort_default
from samples import CompiledSample, InterpreterSample, NcnnSample

from embedge.export.fp16 import fp16_from_onnx
from embedge.export.graph.running import read_contract
from embedge.export.graph.surgery import Graph
from embedge.export.int8.calibration_set import (
    comparable,
    decoded_pictures,
    person_of,
    picture_files,
)
from embedge.export.int8.placement import Target
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims, taken_in
from embedge.export.targets.coreml import PACKAGE, coreml_answers, coreml_from_network
from embedge.export.targets.executorch import (
    executorch_from_network,
    executorch_int8_from_network,
)
from embedge.export.targets.litert import litert_from_onnx, litert_int8_from_graph
from embedge.export.targets.ncnn import ncnn_from_onnx
from embedge.export.targets.ncnn_int8 import ncnn_int8_from_graph
from embedge.pipeline.targets.torch_network import torch_network
from embedge.runtime.encoders import Encoder, tensor_from_crops
from embedge.runtime.encoders.executorch.encoder import ExecuTorchEncoder
from embedge.runtime.encoders.litert import LiteRtEncoder
from embedge.runtime.encoders.ncnn import NcnnEncoder
from embedge.runtime.encoders.openvino import OpenVinoEncoder
from embedge.runtime.encoders.ort import METADATA_KEY, OrtEncoder
from embedge.runtime.encoders.preprocessing import FEEDINGS
from embedge.train.render import FaceRenderer

PEOPLE, EACH, LEARNT = 150, 4, 128
RENDERED = 50
FLOAT = "onnxruntime fp32"
SAMPLE = "sample: "

__all__ = ["FLOAT", "SAMPLE", "Made", "Pictures", "coreml", "network_name", "taken", "targets"]


@dataclass(frozen=True)
class Made:
    """One file or two, and how to open it."""

    size: int
    opened: Callable[[], Encoder]


@dataclass(frozen=True)
class Pictures:
    """Who calibrates, who judges, and whose pictures these are."""

    learnt: NDArray[np.uint8]
    faces: NDArray[np.uint8]
    people: NDArray[np.int64]

    @classmethod
    def rendered(cls) -> Self:
        people = np.repeat(np.arange(RENDERED), EACH)
        faces = FaceRenderer(seed=7).render(people, np.tile(np.arange(EACH), RENDERED)).images
        strangers = np.arange(LEARNT)
        learnt = FaceRenderer(seed=8).render(strangers, np.zeros(LEARNT, np.int64)).images
        return cls(learnt, faces, people)

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        """Strangers are people with one picture: nobody can be judged by them."""
        names = picture_files(folder)
        counts = Counter(map(person_of, names))
        alone = [name for name in names if counts[person_of(name)] == 1]
        judges = comparable(names, PEOPLE * EACH, each=EACH)
        _, people = np.unique([person_of(name) for name in judges], return_inverse=True)
        some = np.random.default_rng(0).permutation(len(alone))[:LEARNT]
        return cls(
            decoded_pictures(folder, [alone[place] for place in some]),
            decoded_pictures(folder, judges),
            people,
        )


def targets(
    path: Path, feeding: str, folder: Path, learnt: NDArray[np.uint8]
) -> dict[str, Callable[[], Made]]:
    """By name; a foreign network is taken in first, and what was taken in is its float graph."""
    graph, source = taken(path, feeding, folder, learnt)
    contract, model = read_contract(graph), source.read_bytes()

    def onnx_file(engine: type[Any], file: Path) -> Made:
        return Made(file.stat().st_size, lambda: engine(file.read_bytes(), contract, threads=1))

    def half() -> Made:
        fp16_from_onnx(source, folder / "fp16.onnx", images=learnt[:32])
        return onnx_file(OrtEncoder, folder / "fp16.onnx")

    def quantised(engine: type[Any], target: Target) -> Made:
        file = folder / f"{target}.onnx"
        if not file.exists():
            qdq_from_onnx(graph, learnt, file, target=target)
        return onnx_file(engine, file)

    def static() -> Made:
        tensors = (tensor_from_crops(learnt[i : i + 1], contract) for i in range(len(learnt)))
        ort_default(source, tensors, folder / "static.onnx")
        return onnx_file(OrtEncoder, folder / "static.onnx")

    def nncf() -> Made:
        size = nncf_default(source, contract, learnt, folder / "nncf")
        return Made(size, lambda: NncfEncoder(folder / "nncf", source, contract))

    @cache
    def ncnn_files(precision: str) -> tuple[bytes, ...]:
        if precision == "int8":
            return tuple(ncnn_int8_from_graph(graph, learnt).files.values())
        made = ncnn_from_onnx(model, contract.size, half=precision == "fp16")
        return tuple(made.files.values())

    def ncnn(precision: str, *, sample: bool = False) -> Made:
        files = ncnn_files(precision)
        if sample:
            return Made(sum(map(len, files)), lambda: NcnnSample(*files, contract))
        half = precision == "fp16"
        return Made(
            sum(map(len, files)), lambda: NcnnEncoder(*files, contract, half=half, threads=1)
        )

    @cache
    def litert_file(precision: str) -> bytes:
        if precision == "int8":
            return next(iter(litert_int8_from_graph(graph, learnt).files.values()))
        made = litert_from_onnx(model, half=precision == "fp16")
        return next(iter(made.files.values()))

    def litert(precision: str, engine: type[Any] | None = None) -> Made:
        data = litert_file(precision)
        if engine is not None:
            return Made(len(data), lambda: engine(data, contract))
        return Made(len(data), lambda: LiteRtEncoder(data, contract, threads=1))

    def executorch(precision: str) -> Made:
        network = torch_network(graph)
        if precision == "int8":
            done = executorch_int8_from_network(network, learnt, contract)
        else:
            done = executorch_from_network(network, contract)
        (data,) = done.files.values()
        return Made(len(data), lambda: ExecuTorchEncoder(data, contract, threads=1))

    made: dict[str, Callable[[], Made]] = {
        FLOAT: partial(onnx_file, OrtEncoder, source),
        "onnxruntime fp16": half,
        "onnxruntime int8-cpu": partial(quantised, OrtEncoder, "cpu"),
        "onnxruntime int8-qdq": partial(quantised, OrtEncoder, "qdq"),
        "peer: onnxruntime int8 by quantize_static": static,
        "openvino fp32": partial(onnx_file, OpenVinoEncoder, source),
        "openvino int8-openvino": partial(quantised, OpenVinoEncoder, "trt"),
        "openvino int8-cpu": partial(quantised, OpenVinoEncoder, "cpu"),
        "openvino int8-qdq": partial(quantised, OpenVinoEncoder, "qdq"),
        "peer: openvino int8 by NNCF": nncf,
    }
    for precision in ("fp32", "fp16", "int8"):
        made[f"ncnn {precision}"] = partial(ncnn, precision)
        made[f"{SAMPLE}ncnn {precision}"] = partial(ncnn, precision, sample=True)
        made[f"litert {precision}"] = partial(litert, precision)
        made[f"{SAMPLE}litert {precision}"] = partial(litert, precision, InterpreterSample)
        made[f"{SAMPLE}litert {precision}, CompiledModel"] = partial(
            litert, precision, CompiledSample
        )
    for precision in ("fp32", "int8"):
        made[f"executorch {precision}"] = partial(executorch, precision)
    return made


def coreml(
    source: Path, half: bool, faces: NDArray[np.uint8], folder: Path
) -> tuple[int, NDArray[np.float32]]:
    """The package's size, and what its program gives to these: nothing here can run it."""
    graph = Graph.read(source)
    contract = read_contract(graph)
    files = coreml_from_network(torch_network(graph), contract, half=half).files
    for name, data in files.items():
        path = folder / f"{'half' if half else 'whole'}{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    package = folder / f"{'half' if half else 'whole'}{PACKAGE}"
    answers = coreml_answers(package, tensor_from_crops(faces, contract))
    return sum(map(len, files.values())), answers


def network_name(path: Path) -> str:
    """A bundle's files are called student."""
    folder = path.parent.name.removesuffix(".embedge")
    return folder if path.stem.startswith("student") else path.stem


def taken(path: Path, feeding: str, folder: Path, learnt: NDArray[np.uint8]) -> tuple[Graph, Path]:
    """The float graph, and the file that it lies in."""
    source = folder / "float.onnx"
    if METADATA_KEY in {one.key for one in onnx.load(path).metadata_props}:
        shutil.copy(path, source)
        return Graph.read(source), source
    asked = Claims(Stated.of(FEEDINGS[feeding]))
    graph = taken_in(path, learnt[:16], asked).graph
    graph.write(source)
    return graph, source
