"""INT8 beside float for every activation, on ONNX Runtime and OpenVINO.

    python benchmarks/activations.py [--only relu hard-swish] [--seconds 60]

MobileFaceNet of scale 1, and the demo's student (ReLU, width 0.5), with random weights and batch
norms that have seen faces: speed does not ask what a network knows. One process, one thread, batch
1, all of them interleaved, medians, rendered faces. `gain` is float's time over INT8's on the same
engine; the cosine of networks that were never trained is lower than that of trained ones. Float is
the file as our students are exported; `fp32 as exported` is the PReLU network as other exporters
leave it, its PRelu nodes in place, and `to_exported` what a row gains over that on ONNX Runtime.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from provenance import provenance, write_result

from embedge.bench.core import Timed, single_stream
from embedge.calibration.evaluation.judge import cosines_of
from embedge.export.int8.placement import Target
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Encoder, tensor_from_crops
from embedge.runtime.encoders.openvino import OpenVinoEncoder
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.train.models.mobilefacenet import Activation, MobileFaceNet
from embedge.train.render import FaceRenderer

CONTRACT = EmbeddingContract("activations", "random", 512)
Faces = NDArray[np.uint8]
# name: what the network is built with, its width, what stands in place of a PReLU
NETWORKS: dict[str, tuple[Activation, float, str]] = {
    "relu": ("relu", 1.0, ""),
    "relu6": ("relu6", 1.0, ""),
    "prelu": ("prelu", 1.0, ""),
    "leaky-relu": ("prelu", 1.0, "LeakyRelu"),
    "hard-swish": ("prelu", 1.0, "HardSwish"),
    "relu, width 0.5": ("relu", 0.5, ""),
}
EXPORTED = "fp32 as exported"
ENGINES: dict[str, tuple[type[Any], dict[str, Target | None]]] = {
    "onnxruntime": (OrtEncoder, {"fp32": None, "int8-cpu": "cpu"}),
    "openvino": (OpenVinoEncoder, {"fp32": None, "int8-openvino": "trt", "int8-cpu": "cpu"}),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of timing, all together")
    options = parser.parse_args()
    faces = FaceRenderer(seed=7).render(np.arange(48), np.zeros(48, np.int64)).images
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        encoders = dict[tuple[str, str, str], Encoder]()
        for name in options.only:
            for key, opened in _encoders(name, Path(folder), faces[:16]):
                encoders[key] = stack.enter_context(opened())
        rows = _rows(encoders, faces, options.seconds)
    facts = provenance("torch", "onnxruntime", "openvino")
    write_result("activations", {"provenance": facts, "rows": rows})
    return 0


def _encoders(
    name: str, folder: Path, faces: Faces
) -> list[tuple[tuple[str, str, str], Callable[[], Encoder]]]:
    source, made = folder / f"{name}.onnx", list[Any]()
    _write(name, source, faces, lower=True)
    for engine, (encoder, precisions) in ENGINES.items():
        for precision, target in _of(name, precisions).items():
            file = source if target is None else folder / f"{name}.{target}.onnx"
            if precision == EXPORTED:
                file = folder / f"{name}.exported.onnx"
                _write(name, file, faces, lower=False)
            if not file.exists() and target is not None:
                qdq_from_onnx(source, faces, file, target=target)
            made.append(
                (
                    (name, engine, precision),
                    lambda encoder=encoder, file=file: encoder(file, CONTRACT, threads=1),
                )
            )
    return made


def _of(name: str, precisions: dict[str, Target | None]) -> dict[str, Target | None]:
    return {**precisions, EXPORTED: None} if name == "prelu" else precisions


def _write(name: str, path: Path, faces: Faces, *, lower: bool) -> None:
    activation, width, instead = NETWORKS[name]
    torch.manual_seed(0)
    network = MobileFaceNet(CONTRACT.dim, scale=1, width=width, activation=activation)
    with torch.no_grad():
        for _ in range(3):  # a batch norm moves a tenth of the way each time, from 0 and 1
            network(torch.from_numpy(tensor_from_crops(faces, CONTRACT)))
    onnx_from_student(network.eval(), CONTRACT, path, lower=lower and not instead)
    if not instead:
        return
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "PRelu":
            node.op_type = instead
            del node.input[1:]
            if instead == "LeakyRelu":
                node.attribute.append(helper.make_attribute("alpha", 0.1))
    onnx.save(model, path)


def _rows(
    encoders: dict[tuple[str, str, str], Encoder], faces: Faces, seconds: float
) -> list[dict[str, Any]]:
    calls = [
        Timed("/".join(key), lambda query, one=one: one.embed(faces[query % len(faces)][None]))
        for key, one in encoders.items()
    ]
    timed = single_stream(calls, seconds=seconds, rounds=9)
    times = {one.name: float(np.median(one.milliseconds)) for one in timed}
    rows = list[dict[str, Any]]()
    for (network, engine, precision), encoder in encoders.items():
        plain = encoders[network, engine, "fp32"]
        cosine = cosines_of(plain.embed(faces), encoder.embed(faces))
        p50 = times[f"{network}/{engine}/{precision}"]
        exported = times.get(f"{network}/onnxruntime/{EXPORTED}")
        rows.append(
            {
                "network": network,
                "engine": engine,
                "precision": precision,
                "p50_ms": round(p50, 3),
                "gain": round(times[f"{network}/{engine}/fp32"] / p50, 3),
                "to_onnxruntime_fp32": round(times[f"{network}/onnxruntime/fp32"] / p50, 3),
                **({"to_exported": round(exported / p50, 3)} if exported else {}),
                "cosine_p1": round(cosine.p1, 5),
            }
        )
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
