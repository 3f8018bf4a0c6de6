"""The encoder on OpenVINO: optional, for Intel processors. `pip install 'embedge[openvino]'`.

It reads the same ONNX files. Arithmetic outside Q/DQ stays in float32 by an explicit hint:
left alone, OpenVINO computes in bfloat16 where the processor can, and parity is gone.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError, ours
from embedge.optional import require
from embedge.runtime.closing import Spares
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import CropEncoder
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.encoders.sessions import model_bytes, require_self_contained, require_threads

__all__ = ["OpenVinoEncoder", "compiled", "shared_core"]


class OpenVinoEncoder(CropEncoder):
    """An ONNX student on OpenVINO's CPU device; the same interface as OrtEncoder.

    Safe to share between threads: each call has an inference request to itself, because a request
    holds the tensors of one call. There are as many of them as there were calls at one time.
    """

    def __init__(
        self,
        model: bytes | str | Path,
        contract: EmbeddingContract | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        # the file's contract and its fit to the graph are checked where they always are
        data = model if isinstance(model, bytes) else model_bytes(Path(model))
        with OrtEncoder(data, contract, threads=1) as checked:
            self.contract = checked.contract
        network = compiled(data, threads=threads)
        self._spare: Spares[Any] = Spares(network.create_infer_request)
        self.provider = f"OpenVINO {network.get_property('EXECUTION_DEVICES')[0]}"

    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._spare.lent() as request:
            try:
                return np.array(request.infer([tensor])[0], np.float32)
            except ours(RuntimeError) as error:
                raise EmbedgeError(
                    "E-GRAPH",
                    f"the model failed while running: {_last_line(error)}",
                    remedy="Run it on ONNX Runtime, or export it again",
                ) from error

    def close(self) -> None:
        """Let go of the network; calls under way end with their answer."""
        self._spare.close()


def compiled(model: bytes | Path, *, threads: int | None = None) -> Any:
    """An ONNX file on OpenVINO's CPU device, in float32 outside Q/DQ.

    It is compiled from the bytes that were looked through, in which no other file is named.
    """
    where = model if isinstance(model, Path) else None
    data = model if isinstance(model, bytes) else model_bytes(model)
    require_self_contained(data)
    hints: dict[str, object] = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # a pinned thread waits for whoever else is on its core
    }
    if threads is not None:
        hints["INFERENCE_NUM_THREADS"] = require_threads(threads)
    core = shared_core()
    try:
        return core.compile_model(core.read_model(data, b""), "CPU", hints)
    except ours(RuntimeError) as error:
        raise EmbedgeError(
            "E-GRAPH",
            f"OpenVINO cannot compile the model: {_last_line(error)}",
            where=where,
            remedy="Run it on ONNX Runtime, or export it again with opset 17",
        ) from error


@cache
def shared_core() -> Any:
    """The one of this process, never let go.

    Its CPU plugin gives the thread that loads it a stack for signals and unmaps that when the last
    network goes, in whichever thread that happens: the next signal would then end the process.
    """
    return require("openvino", extra="openvino").Core()


def _last_line(error: RuntimeError) -> str:
    """OpenVINO tells first where in its sources it was, then what is wrong."""
    return (str(error).strip().splitlines() or ["no reason was given"])[-1][:300]
