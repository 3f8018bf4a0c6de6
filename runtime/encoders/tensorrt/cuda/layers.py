"""Which package gives the GPU's memory: the one asked for, or the first one installed."""

import importlib.util

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.cuda.memory import CudaMemory

__all__ = ["LAYERS", "open_memory"]

LAYERS = ("pycuda", "cuda-bindings")


def open_memory(layer: str | None = None, device: int = 0) -> CudaMemory:
    """Open the layer asked for, else the first one installed; the encoder says which it was."""
    chosen = layer or _first_installed()
    if chosen == "pycuda":
        from embedge.runtime.encoders.tensorrt.cuda.memory_pycuda import PycudaMemory

        return PycudaMemory(device)
    if chosen == "cuda-bindings":
        from embedge.runtime.encoders.tensorrt.cuda.memory_bindings import BindingsMemory

        return BindingsMemory(device)
    raise EmbedgeError(
        "E-CUDA-LAYER",
        f"there is no CUDA memory layer named {chosen!r}",
        remedy=f"Choose one of {', '.join(LAYERS)}",
    )


def _first_installed() -> str:
    if importlib.util.find_spec("pycuda"):
        return "pycuda"
    if importlib.util.find_spec("cuda") and importlib.util.find_spec("cuda.bindings"):
        return "cuda-bindings"
    raise EmbedgeError(
        "E-CUDA-LAYER",
        "engines need cuda-bindings or pycuda, and neither is installed",
        remedy="Run: pip install 'embedge[cuda]' (a wheel), or 'embedge[pycuda]' (needs nvcc)",
    )
