"""The encoder on ncnn: optional, for phones and small boards. `pip install 'embedge[ncnn]'`."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.optional import require
from embedge.runtime.closing import closed_error
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import CropEncoder, misfit
from embedge.runtime.encoders.sessions import require_threads

__all__ = ["NcnnEncoder"]

_refused = partial(misfit, "ncnn network", "ncnn")
_worked = set[int]()  # processes; a fork takes OpenMP's threads not along, but would wait for them


class NcnnEncoder(CropEncoder):
    """A network of two files, layers and weights, as `export-target --target ncnn` writes them.

    Safe to share between threads: a loaded network is only read, and each call has an extractor
    to itself. `half` lets ncnn store and compute in 16 bits where the processor can; without it
    everything is float32, by decision and not by what the processor offers. After a fork it works
    in one thread: one of more that the parent made is refused, one made anew has one.
    """

    def __init__(
        self,
        layers: bytes,
        weights: bytes,
        contract: EmbeddingContract,
        *,
        half: bool = False,
        threads: int | None = None,
    ) -> None:
        ncnn = require("ncnn", extra="ncnn")
        if _worked - {os.getpid()}:
            threads = 1
        self._process, self._threads = os.getpid(), threads
        _worked.add(self._process)
        self._mat = ncnn.Mat
        self._net: Any = _loaded(ncnn.Net(), layers, weights, half=half, threads=threads)
        self.contract = contract
        self._input, self._output = _ends(self._net)
        self.provider = "ncnn CPU"
        rows = self._run(np.zeros((1, 3, contract.size, contract.size), np.float32))
        if rows.shape != (1, contract.dim):
            raise _refused(f"it answers with {rows.shape[1]} numbers, not {contract.dim}")

    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Picture by picture: ncnn knows no batch."""
        return np.stack([self._one(picture) for picture in tensor])

    def _one(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        net = self._net
        if net is None:
            raise closed_error("encoder")
        if self._threads != 1 and self._process != os.getpid():
            raise EmbedgeError(
                "E-FORKED",
                "this ncnn encoder was made before the process forked, and has several threads",
                remedy="Make it with threads=1, or make another in the child",
            )
        extractor = net.create_extractor()
        # a first layer that works in place asks its input who else holds it: numpy's memory crashes
        failed = extractor.input(self._input, self._mat(picture).clone())
        wrong, found = extractor.extract(self._output)
        if failed or wrong:
            raise _refused(f"ncnn failed while running it ({failed or wrong})")
        return np.array(found, np.float32).reshape(-1)

    def close(self) -> None:
        """Let go of the network; calls under way end with their answer."""
        self._net = None


def _loaded(net: Any, layers: bytes, weights: bytes, *, half: bool, threads: int | None) -> Any:
    options = net.opt
    options.use_vulkan_compute = False
    for name in ("packed", "storage", "arithmetic"):
        setattr(options, f"use_fp16_{name}", half)
    options.use_bf16_storage = options.use_bf16_packed = False
    if threads is not None:
        options.num_threads = require_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        # read from memory, ncnn asks nobody how long the weights are; from a file it notices
        param, binary = Path(folder) / "net.param", Path(folder) / "net.bin"
        param.write_bytes(layers)
        binary.write_bytes(weights)
        if net.load_param(str(param)) or net.load_model(str(binary)):
            raise _refused("ncnn cannot read it")
    return net


def _ends(net: Any) -> tuple[str, str]:
    inputs, outputs = net.input_names(), net.output_names()
    if len(inputs) != 1 or len(outputs) != 1:
        raise _refused(f"it has {len(inputs)} inputs and {len(outputs)} outputs")
    return inputs[0], outputs[0]
