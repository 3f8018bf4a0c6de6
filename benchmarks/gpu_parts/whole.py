"""Whole commands: recipes to their bundles, and ONNX Runtime's CUDA provider."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpu_parts.sizes import Sizes

_SMALL = (
    "--data.identities 40 --data.per_identity 8 --data.held_out 60 --data.held_out_per_identity 4"
    " --data.calibration_images 16 --distill.baseline false --bench.seconds 1"
    " --evaluate.pictures false --export.precisions [fp32] --student.train.warmup 0"
)


def recipes(sizes: Sizes) -> dict[str, Any]:
    """A missed gate is no failure here: nobody learns much in so few steps. The second one finds
    faces and teacher where the first has left them."""
    found, limit = dict[str, Any](), 70 if sizes.device == "cuda" else 600
    with tempfile.TemporaryDirectory() as name:
        for method in ("th-kd", "proxyless"):
            command = [
                *(sys.executable, "-m", "embedge", "distill-and-export", "--recipe", "demo"),
                *("--out", f"{name}/run", "--quiet", "--update", "--method", method),
                *_SMALL.split(),
                *("--student.train.steps", str(sizes.recipe_steps)),
                *("--student.train.device", sizes.device, "--student.train.amp", sizes.amp),
                *("--teacher.device", sizes.device, "--teacher.amp", sizes.amp),
            ]
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
            if done.returncode not in (0, 3):
                raise RuntimeError(f"{method}: {done.stderr[-500:]}")
            found[method] = {
                "seconds": round(time.perf_counter() - began, 1),
                "exit_code": done.returncode,
                "bundles": len(list(Path(name).glob("run/*.embedge"))),
            }
    return found


def onnxruntime(sizes: Sizes) -> dict[str, Any]:
    """Faces a second of a student's graph; without the provider it says so."""
    import onnxruntime as ort

    from embedge.train.models import mobilefacenet

    wanted = "CUDAExecutionProvider" if sizes.device == "cuda" else "CPUExecutionProvider"
    if wanted not in ort.get_available_providers():
        return {"skipped": f"this onnxruntime has {', '.join(ort.get_available_providers())}"}
    with tempfile.TemporaryDirectory() as name:
        path = f"{name}/student.onnx"
        network = mobilefacenet(sizes.dim, scale=1, width=sizes.width).eval()
        example = torch.zeros(sizes.batch, 3, 112, 112)
        torch.onnx.export(network, (example,), path, dynamo=True, external_data=False)
        session = ort.InferenceSession(path, providers=[wanted])
    ran = session.get_providers()[0]
    if ran != wanted:
        raise RuntimeError(f"{wanted} was asked for and {ran} ran")
    feed = {session.get_inputs()[0].name: np.zeros((sizes.batch, 3, 112, 112), np.float32)}
    session.run(None, feed)
    began = time.perf_counter()
    for _ in range(sizes.repeats):
        session.run(None, feed)
    seconds = time.perf_counter() - began
    return {"provider": ran, "faces_per_second": sizes.repeats * sizes.batch / seconds}
