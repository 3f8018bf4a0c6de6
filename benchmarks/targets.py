"""Every target of a network on this machine: size, likeness to float, accuracy, time.

    python benchmarks/targets.py NETWORK.onnx [...] [--seconds 40] [--only litert ncnn] [--page]

The networks are float exports of embedge, or foreign ones fed as insightface's are. One process,
one thread, batch 1, interleaved rounds, medians, rendered faces. `cosine_p1` is to the float graph
on ONNX Runtime, `tar_loss` in points at FMR 1e-3 on rendered people. What is not installed here is
listed as not run. `--only` takes the targets whose names hold one of its words, beside float on
ONNX Runtime. `--page` writes the table of docs/targets.md from what was stored.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from provenance import provenance, write_result

from embedge.bench.core import Timed, single_stream
from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject, cosines_of, scores_of
from embedge.calibration.rates import OperatingPoint, operating_point
from embedge.errors import EmbedgeError
from embedge.export.fp16 import fp16_from_onnx
from embedge.export.graph.running import stamp
from embedge.export.graph.surgery import Graph
from embedge.export.int8.placement import Target
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.targets.litert import litert_from_onnx, litert_int8_from_graph
from embedge.export.targets.ncnn import ncnn_from_onnx
from embedge.export.targets.ncnn_int8 import ncnn_int8_from_graph
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Encoder
from embedge.runtime.encoders.litert import LiteRtEncoder
from embedge.runtime.encoders.ncnn import NcnnEncoder
from embedge.runtime.encoders.openvino import OpenVinoEncoder
from embedge.runtime.encoders.ort import METADATA_KEY, OrtEncoder
from embedge.train.render import FaceRenderer

PEOPLE, EACH = 50, 4
FMR = 1e-3
FLOAT = "onnxruntime fp32"
PAGE = Path(__file__).parents[1] / "docs" / "targets.md"
NOT_YET = {
    "ExecuTorch": "not converted: its wheel takes a network in torch 2.13's own export",
    "TensorRT": "engines are built from `int8-trt` and `fp16`; see docs/jetson.md",
    "QNN": "`int8-qdq` is made for onnxruntime-qnn; no Snapdragon here",
    "RKNN": "`int8-qdq` and `fp32` are what rknn-toolkit2 takes; not converted",
    "CoreML": "not converted: its tools run models on a Mac only",
}


@dataclass(frozen=True)
class Made:
    """One file, or ncnn's two, and how to open it."""

    size: int
    opened: Callable[[], Encoder]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", type=Path, nargs="*")
    parser.add_argument("--seconds", type=float, default=40.0, help="of timing, for each network")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="some targets")
    parser.add_argument("--page", action="store_true", help="write docs/targets.md's table")
    options = parser.parse_args()
    if options.networks:
        rows = [row for path in options.networks for row in _measured(path, options)]
        facts = provenance("onnxruntime", "openvino", "ncnn", "pnnx", "ai-edge-litert", "nncf")
        write_result("targets", {"provenance": facts, "rows": rows, "not_yet_run": NOT_YET})
    if options.page:
        stored = json.loads((Path(__file__).parent / "results" / "targets.json").read_text())
        head = PAGE.read_text().partition("<!-- table -->\n")[0]
        PAGE.write_text(f"{head}<!-- table -->\n{_table(stored)}")
    return 0


def _measured(path: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    people = np.repeat(np.arange(PEOPLE), EACH)
    faces = FaceRenderer(seed=7).render(people, np.tile(np.arange(EACH), PEOPLE)).images
    learnt = FaceRenderer(seed=8).render(np.arange(128), np.zeros(128, np.int64)).images
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        opened = dict[str, tuple[Made, Encoder]]()
        for name, make in _targets(path, Path(folder), learnt).items():
            if name != FLOAT and not any(word in name for word in options.only):
                continue
            try:
                made = make()
                opened[name] = made, stack.enter_context(made.opened())
            except (EmbedgeError, ImportError) as error:
                rows.append({"network": path.stem, "target": name, "not_run": str(error)[:160]})
        known = {name: encoder.embed(faces) for name, (_, encoder) in opened.items()}
        before = 100 * _tar(known[FLOAT], people)
        timed = single_stream(
            [Timed(name, _call(encoder, faces)) for name, (_, encoder) in opened.items()],
            seconds=options.seconds,
            rounds=7,
        )
        for one in timed:
            cosine = cosines_of(known[FLOAT], known[one.name])
            rows.append(
                {
                    "network": path.stem,
                    "target": one.name,
                    "bytes": opened[one.name][0].size,
                    "cosine_p1": round(cosine.p1, 6),
                    "tar_loss": round(before - 100 * _tar(known[one.name], people), 3),
                    "p50_ms": round(float(np.median(one.milliseconds)), 3),
                    "calls": len(one.milliseconds),
                    "provider": opened[one.name][1].provider,
                }
            )
    for row in rows:
        print(row, flush=True)
    return rows


def _targets(path: Path, folder: Path, faces: Any) -> dict[str, Callable[[], Made]]:
    contract = _contract(path)
    model, size, graph = path.read_bytes(), contract.size, Graph.read(path)
    if METADATA_KEY.encode() not in model:
        stamp(graph, contract)

    def onnx_file(engine: type[Any], file: Path) -> Made:
        return Made(file.stat().st_size, lambda: engine(file.read_bytes(), contract, threads=1))

    def half() -> Made:
        fp16_from_onnx(path, folder / "fp16.onnx", images=faces[:32])
        return onnx_file(OrtEncoder, folder / "fp16.onnx")

    def quantised(engine: type[Any], target: Target) -> Made:
        file = folder / f"{target}.onnx"
        if not file.exists():
            qdq_from_onnx(graph, faces, file, target=target)
        return onnx_file(engine, file)

    def nncf() -> Made:
        return _nncf(path, contract, faces, folder / "nncf")

    def ncnn(*, half: bool = False, int8: bool = False) -> Made:
        made = ncnn_int8_from_graph(graph, faces) if int8 else None
        made = made or ncnn_from_onnx(model, size, half=half)
        layers, weights = made.files.values()
        return Made(
            len(layers) + len(weights),
            lambda: NcnnEncoder(layers, weights, contract, half=half, threads=1),
        )

    def litert(*, half: bool = False, int8: bool = False) -> Made:
        made = litert_int8_from_graph(graph, faces) if int8 else litert_from_onnx(model, half=half)
        (data,) = made.files.values()
        return Made(len(data), lambda: LiteRtEncoder(data, contract, threads=1))

    return {
        FLOAT: partial(onnx_file, OrtEncoder, path),
        "onnxruntime fp16": half,
        "onnxruntime int8-cpu": partial(quantised, OrtEncoder, "cpu"),
        "onnxruntime int8-qdq": partial(quantised, OrtEncoder, "qdq"),
        "openvino fp32": partial(onnx_file, OpenVinoEncoder, path),
        "openvino int8-openvino": partial(quantised, OpenVinoEncoder, "trt"),
        "openvino int8-cpu": partial(quantised, OpenVinoEncoder, "cpu"),
        "openvino int8-qdq": partial(quantised, OpenVinoEncoder, "qdq"),
        "peer: openvino int8 by NNCF": nncf,
        "ncnn fp32": ncnn,
        "ncnn fp16": partial(ncnn, half=True),
        "ncnn int8": partial(ncnn, int8=True),
        "litert fp32": litert,
        "litert fp16": partial(litert, half=True),
        "litert int8": partial(litert, int8=True),
    }


def _contract(path: Path) -> EmbeddingContract:
    model = onnx.load(path)
    known = {one.key: one.value for one in model.metadata_props}
    if METADATA_KEY in known:
        return EmbeddingContract.from_json(json.loads(known[METADATA_KEY]))
    dim = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    return EmbeddingContract("foreign", path.stem, dim)


def _nncf(path: Path, contract: EmbeddingContract, faces: Any, out: Path) -> Made:
    import nncf
    import openvino

    from embedge.runtime.encoders import tensor_from_crops

    pictures = [tensor_from_crops(faces[i : i + 1], contract) for i in range(len(faces))]
    core = openvino.Core()
    network = nncf.quantize(
        core.read_model(path), nncf.Dataset(pictures), subset_size=len(pictures)
    )
    openvino.save_model(network, out.with_suffix(".xml"))
    hints = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(
        network, "CPU", {**hints, "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
    )

    class Peer(OpenVinoEncoder):
        def __init__(self) -> None:
            super().__init__(path.read_bytes(), contract, threads=1)
            self._compiled = compiled

    return Made(sum(out.with_suffix(end).stat().st_size for end in (".xml", ".bin")), Peer)


def _call(encoder: Encoder, faces: Any) -> Callable[[int], object]:
    return lambda query: encoder.embed(faces[query % len(faces)][None])


def _tar(rows: Any, people: Any) -> float:
    subject = Subject(Side("network"), rows)
    point = operating_point(scores_of(subject, subject, people), FMR)
    return point.tar if isinstance(point, OperatingPoint) else float("nan")


def _table(stored: dict[str, Any]) -> str:
    lines = [
        "| network | target, precision | size | cosine p1 | TAR loss | ms | ran on |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in stored["rows"]:
        start = f"| {row['network']} | {row['target']} |"
        if "not_run" in row:
            lines.append(f"{start} | | | | not run: {row['not_run']} |")
        else:
            lines.append(
                f"{start} {row['bytes'] / 1e6:.2f} MB | {row['cosine_p1']:.5f} |"
                f" {row['tar_loss']:.2f} | {row['p50_ms']:.2f} | {row['provider']} |"
            )
    lines += [
        f"| any | {name} | | | | | not yet run: {why} |"
        for name, why in stored["not_yet_run"].items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
