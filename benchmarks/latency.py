"""How fast the exported graphs are beside the peer default.

    python benchmarks/latency.py [--faces DIR] [--models A.onnx B.onnx] [--scale 1] [--seconds 120]

One process, one thread, batch 1, interleaved rounds, medians; rounds during which other processes
used the processor are measured again. The pictures are faces: rendered ones, or aligned ones under
--faces. The peer is an insightface-style `mbf` (PReLU nodes) in FP32 on ONNX Runtime, and beside it
the same network quantised by ONNX Runtime's own `quantize_static`. Time does not depend on what was
learnt, so our own networks have random weights here; foreign networks are given with --models.
Claims, as ratios to the peer or to the model's own FP32 file: FP32 shipped at least 1.6, INT8 with
ReLU at least 5 and by the best encoder 7.5, INT8 of a foreign PReLU network at least 2.5.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers import ort_default
from provenance import provenance, write_result

from embedge.bench.core import Timed, single_stream
from embedge.export.int8.calibration_set import picture_files
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims, taken_in
from embedge.export.student import onnx_from_student
from embedge.optional import available
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.encoders.sessions import ort_session
from embedge.runtime.picture.images import rgb_from_picture
from embedge.train.models.mobilefacenet import Activation, mobilefacenet
from embedge.train.render import FaceRenderer

PICTURES = 64
CLAIMS = {"fp32": 1.6, "int8-relu": 5.0, "int8-relu by the best encoder": 7.5}
FOREIGN = 2.5
PEER = "peer: mbf PReLU fp32"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, help="aligned faces instead of rendered ones")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="foreign FP32 networks")
    parser.add_argument("--scale", type=int, choices=(1, 2), default=2, help="of peer and ours")
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    faces = _faces(options.faces)
    with tempfile.TemporaryDirectory() as folder:
        graphs = _graphs(Path(folder), faces, options.models, options.scale)
        rows = _measured(graphs, faces, options.seconds)
    facts = provenance("onnxruntime", "torch", "onnx", "openvino")
    result = {
        "provenance": facts,
        "faces": str(options.faces.name) if options.faces else "rendered",
        "scale": options.scale,
        "claims": {**CLAIMS, "foreign int8": FOREIGN},
        "rows": rows,
    }
    write_result("latency", result)
    for row in rows:
        print(f"{row['name']:44} {row['p50_ms']:8.2f} ms  {row['ratio']:5.2f} x {row['against']}")
    return 0


def _faces(folder: Path | None) -> Any:
    if folder is None:
        renderer = FaceRenderer(seed=7)
        return renderer.render(np.arange(PICTURES), np.zeros(PICTURES, np.int64)).images
    names = picture_files(folder)
    picked = np.random.default_rng(0).permutation(len(names))[:PICTURES]
    return np.stack([rgb_from_picture(folder / names[i]) for i in picked])


def _graphs(
    folder: Path, faces: Any, models: list[Path], scale: int
) -> dict[str, tuple[Path, str]]:
    """name -> (file, name of what it is compared with)."""
    graphs = {PEER: (_student(folder, "prelu", scale, lower=False), PEER)}
    static = folder / "static.onnx"
    ort_default(graphs[PEER][0], _tensors(faces), static)
    graphs["peer: mbf PReLU int8 by quantize_static"] = (static, PEER)
    graphs["ours: mbf PReLU fp32"] = (_student(folder, "prelu", scale, lower=True), PEER)
    relu = _student(folder, "relu", scale, lower=True)
    graphs["ours: mbf ReLU fp32"] = (relu, PEER)
    prelu = graphs["ours: mbf PReLU fp32"][0]
    for name, source in (("PReLU", prelu), ("ReLU", relu)):
        out = folder / f"{name}.int8.onnx"
        qdq_from_onnx(source, faces, out)
        graphs[f"ours: mbf {name} int8-cpu"] = (out, PEER)
    for model in models:
        out = folder / f"{model.stem}.int8.onnx"
        qdq_from_onnx(
            taken_in(model, faces, Claims(Stated((127.5,), (127.5,), "RGB"))).graph,
            faces,
            out,
        )
        graphs[f"{model.stem} fp32"] = (model, f"{model.stem} fp32")
        graphs[f"{model.stem} int8-cpu"] = (out, f"{model.stem} fp32")
    return graphs


def _student(folder: Path, activation: Activation, scale: int, *, lower: bool) -> Path:
    torch.manual_seed(0)
    net = mobilefacenet(scale=scale, activation=activation)
    for module in net.modules():
        if isinstance(module, torch.nn.PReLU):
            torch.nn.init.uniform_(module.weight, 0.0, 0.5)  # slopes as training leaves them
    path = folder / f"{activation}.{'lowered' if lower else 'plain'}.onnx"
    onnx_from_student(net, EmbeddingContract("bench", "bench", net.dim), path, lower=lower)
    return path


def _measured(
    graphs: dict[str, tuple[Path, str]], faces: Any, seconds: float
) -> list[dict[str, Any]]:
    tensors = _tensors(faces)
    subjects = [Timed(name, _ort(path, tensors)) for name, (path, _) in graphs.items()]
    against = {name: other for name, (_, other) in graphs.items()}
    if available("openvino"):
        for name, (path, other) in graphs.items():
            subjects.append(Timed(f"{name} on OpenVINO", _openvino(path, tensors)))
            against[f"{name} on OpenVINO"] = other
    measured = single_stream(subjects, seconds=seconds, rounds=9, repeats=1.0)
    medians = {one.name: float(np.median(one.milliseconds)) for one in measured}
    return [
        {
            "name": one.name,
            "p50_ms": medians[one.name],
            "against": against[one.name],
            "ratio": medians[against[one.name]] / medians[one.name],
            "calls": len(one.milliseconds),
            "rejected": one.rejected,
            "disturbed": one.flagged,
        }
        for one in measured
    ]


def _tensors(faces: Any) -> list[Any]:
    contract = EmbeddingContract("", "", 0)
    return [tensor_from_crops(faces[i : i + 1], contract) for i in range(len(faces))]


def _ort(path: Path, tensors: list[Any]) -> Callable[[int], object]:
    session = ort_session(path, threads=1)
    name = session.get_inputs()[0].name
    return lambda query: session.run(None, {name: tensors[query % len(tensors)]})


def _openvino(path: Path, tensors: list[Any]) -> Callable[[int], object]:
    from embedge.runtime.encoders.openvino import compiled

    network = compiled(path, threads=1)
    return lambda query: network([tensors[query % len(tensors)]])


if __name__ == "__main__":
    sys.exit(main())
