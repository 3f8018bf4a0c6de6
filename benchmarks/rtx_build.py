"""NVIDIA's parser and builder on every graph of a MobileFaceNet, on a CPU (TensorRT-RTX).

    python benchmarks/rtx_build.py [--scale 2] [--sm 86]

Says which graphs build, in which types the parsed network computes, and how far the INT8 graph
moves when its remainder goes from FP32 to FP16. Weights are random: the figures are about graphs,
not about accuracy.
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from provenance import provenance, write_result

from embedge.calibration.evaluation.judge import cosines_of
from embedge.export.engines import EngineOptions, engine_from_onnx
from embedge.export.engines.half_remainder import half_remainder_from_qdq
from embedge.export.fp16 import fp16_from_onnx
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.train.models import mobilefacenet
from embedge.train.render import FaceRenderer

CONTRACT = EmbeddingContract(space="s" * 64, model="m" * 64, dim=512)


def graphs(folder: Path, scale: int, faces: np.ndarray) -> dict[str, Path]:
    torch.manual_seed(0)
    files = {name: folder / f"{name}.onnx" for name in ("fp32", "fp16", "int8-trt", "int8-trt8")}
    onnx_from_student(mobilefacenet(scale=scale), CONTRACT, files["fp32"])
    fp16_from_onnx(files["fp32"], files["fp16"], images=faces)
    for name, target in (("int8-trt", "trt"), ("int8-trt8", "trt8")):
        qdq_from_onnx(files["fp32"], faces, files[name], target=target)
    return files


def built(name: str, graph: Path, sm: int, **options: Any) -> dict[str, Any]:
    precision = name.partition("-")[0]
    wanted = EngineOptions(precision, target="rtx", sms=(sm,), batches=(1, 1, 8), **options)
    card = engine_from_onnx(graph, graph.with_suffix(".plan"), wanted)
    return {
        "graph": name,
        "remainder": card.remainder,
        "graph_tensors": card.graph_tensors,
        "plan_mib": round(card.plan_bytes / 2**20, 2),
        "build_seconds": card.build_seconds,
    }


def moved(graph: Path, faces: np.ndarray) -> dict[str, Any]:
    """Cosine between the INT8 graph and itself with a half-precision remainder."""
    half = graph.with_name("half.onnx")
    half_remainder_from_qdq(graph, half)
    with OrtEncoder(graph) as before, OrtEncoder(half) as after:
        return asdict(cosines_of(before.embed(faces), after.embed(faces)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--sm", type=int, default=86)
    options = parser.parse_args()
    numbers = np.arange(32)
    faces = FaceRenderer(seed=6).render(numbers, numbers).images
    with tempfile.TemporaryDirectory() as folder:
        files = graphs(Path(folder), options.scale, faces)
        rows = [built(name, path, options.sm) for name, path in files.items()]
        rows.append(built("int8-trt", files["int8-trt"], options.sm, remainder="fp32"))
        result = {
            "graphs": rows,
            "int8_remainder_fp16_against_fp32": moved(files["int8-trt"], faces),
            **provenance("onnx", "onnxruntime", "tensorrt-rtx", "torch"),
        }
    print(json.dumps(result, indent=2))
    write_result("rtx-build", result)


if __name__ == "__main__":
    main()
