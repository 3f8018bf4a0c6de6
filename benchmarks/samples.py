"""ncnn and LiteRT as their own samples set them: the bare network on a tensor that is ready.

ncnn, `benchncnn`: light mode, packed layouts, Winograd, 16-bit storage and arithmetic wherever the
processor has them, and two pools that keep memory from call to call. LiteRT, `benchmark_model` and
`label_image`: the XNNPACK delegate, through the interpreter or the newer `CompiledModel`. All on
one thread; nobody decodes, aligns, normalises or checks anything.
"""

import tempfile
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.closing import Closing
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops, unit_rows

__all__ = ["CompiledSample", "InterpreterSample", "NcnnSample", "Sample"]

Tensor = NDArray[np.float32]


class Sample(Closing):
    """`ready` prepares pictures, and gives what answers the i-th of them."""

    def __init__(self, contract: EmbeddingContract, provider: str) -> None:
        self.contract, self.provider = contract, provider

    def ready(self, faces: Any) -> Callable[[int], Tensor]:
        inputs = [self._input(tensor) for tensor in tensor_from_crops(faces, self.contract)]
        return lambda query: self._answer(inputs[query % len(inputs)])

    def embed(self, faces: Any) -> Tensor:
        answer = self.ready(faces)
        return unit_rows(np.stack([answer(place).reshape(-1) for place in range(len(faces))]))

    @abstractmethod
    def _input(self, tensor: Tensor) -> Any: ...

    @abstractmethod
    def _answer(self, ready: Any) -> Tensor: ...

    def close(self) -> None:
        """Its network goes with it."""


class NcnnSample(Sample):
    def __init__(self, layers: bytes, weights: bytes, contract: EmbeddingContract) -> None:
        import ncnn

        super().__init__(contract, "ncnn CPU")
        self._mat, self._net = ncnn.Mat, ncnn.Net()
        self._pools = ncnn.UnlockedPoolAllocator(), ncnn.PoolAllocator()
        for pool, ratio in zip(self._pools, (0.0, 0.5)):
            pool.set_size_compare_ratio(ratio)
        options = self._net.opt
        options.lightmode, options.num_threads = True, 1
        options.blob_allocator, options.workspace_allocator = self._pools
        for name in ("winograd_convolution", "sgemm_convolution", "packing_layout"):
            setattr(options, f"use_{name}", True)
        for name in ("packed", "storage", "arithmetic"):
            setattr(options, f"use_fp16_{name}", True)
        with tempfile.TemporaryDirectory() as folder:
            for name, data in (("net.param", layers), ("net.bin", weights)):
                (Path(folder) / name).write_bytes(data)
            self._net.load_param(str(Path(folder) / "net.param"))
            self._net.load_model(str(Path(folder) / "net.bin"))
        (self._entry,), (self._exit,) = self._net.input_names(), self._net.output_names()

    def _input(self, tensor: Tensor) -> Any:
        return self._mat(tensor).clone()

    def _answer(self, ready: Any) -> Tensor:
        extractor = self._net.create_extractor()
        extractor.input(self._entry, ready)
        return np.array(extractor.extract(self._exit)[1])


class _LiteRtSample(Sample):
    def __init__(self, contract: EmbeddingContract) -> None:
        super().__init__(contract, "LiteRT CPU")

    def _input(self, tensor: Tensor) -> Any:
        return np.ascontiguousarray(tensor.transpose(1, 2, 0))[None]


class InterpreterSample(_LiteRtSample):
    def __init__(self, data: bytes, contract: EmbeddingContract) -> None:
        from ai_edge_litert.interpreter import Interpreter

        super().__init__(contract)
        self._network = Interpreter(model_content=data, num_threads=1)
        self._network.allocate_tensors()
        self._entry = self._network.get_input_details()[0]["index"]
        self._exit = self._network.get_output_details()[0]["index"]

    def _answer(self, ready: Any) -> Tensor:
        self._network.set_tensor(self._entry, ready)
        self._network.invoke()
        found: Tensor = self._network.get_tensor(self._exit)
        return found


class CompiledSample(_LiteRtSample):
    def __init__(self, data: bytes, contract: EmbeddingContract) -> None:
        from ai_edge_litert.compiled_model import CompiledModel

        super().__init__(contract)
        self._network = CompiledModel.from_buffer(data)  # on the CPU, one thread
        self._entries = self._network.create_input_buffers(0)
        self._exits = self._network.create_output_buffers(0)

    def _answer(self, ready: Any) -> Tensor:
        self._entries[0].write(ready)
        self._network.run_by_index(0, self._entries, self._exits)
        found: Tensor = self._exits[0].read(self.contract.dim, np.float32)
        return found
