"""One caller's way through an engine: context, stream, buffers, perhaps a CUDA graph."""

from contextlib import ExitStack, suppress
from traceback import clear_frames
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.cuda.failures import CudaFailure
from embedge.runtime.encoders.tensorrt.cuda.graphs import CudaGraph, captured
from embedge.runtime.encoders.tensorrt.cuda.memory import CudaMemory
from embedge.runtime.encoders.tensorrt.engine import TensorRTEngine

__all__ = ["TensorRTLane"]


class TensorRTLane:
    """Runs batches up to the engine's largest; used by one thread at a time.

    With `graph` the work is recorded on the second call (the first one lets TensorRT set itself
    up) and launched as one CUDA graph from then on; the engine's shape must be fixed. Where the
    recording fails the work is launched call by call, and `graph_refused` says why.
    """

    def __init__(
        self,
        engine: TensorRTEngine,
        memory: CudaMemory,
        image: tuple[int, ...],
        dim: int,
        *,
        graph: bool,
    ) -> None:
        self._engine, self._memory, self._image = engine, memory, image
        self._wants_graph = graph
        self._graph: CudaGraph | None = None
        self.graph_refused: str | None = None
        self._runs = 0
        self._size = 0
        largest = engine.batches[2]
        self._in = memory.pinned((largest, *image), np.float32)
        self._out = memory.pinned((largest, dim), np.float32)
        with ExitStack() as opened:  # whatever fails below, what was taken is given back
            opened.callback(self._drop_buffers)
            self._stream = memory.stream()
            opened.callback(self._stream.close)
            self._device_in = memory.allocate(self._in.nbytes)
            opened.callback(self._device_in.close)
            self._device_out = memory.allocate(self._out.nbytes)
            opened.callback(self._device_out.close)
            self._context = engine.context()
            self._bind()
            self._opened = opened.pop_all()

    @property
    def uses_graph(self) -> bool:
        return self._graph is not None

    def run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 3, size, size) to (n, dim); a batch below the engine's smallest is padded."""
        count = len(tensor)
        size = max(count, self._engine.batches[0])
        self._in[:count] = tensor
        self._in[count:size] = 0
        self._resize(size)
        try:
            self._launch(size)
            self._stream.synchronize()
        except CudaFailure as failure:
            # a traceback that somebody keeps would keep the stream and the pinned memory past
            # `close`, and pycuda gives nothing back once its context has gone
            clear_frames(failure.__traceback__)
            raise
        self._runs += 1
        return self._out[:count].copy()

    def close(self) -> None:
        """Give everything back; on a lost device the driver has already taken it."""
        del self._context
        with suppress(CudaFailure):
            if self._graph is not None:
                self._graph.close()
            self._opened.close()
        del self._graph, self._engine

    def _drop_buffers(self) -> None:
        """Pinned memory goes when its array does, and a traceback may keep this lane alive."""
        self._in = self._out = np.empty(0, np.float32)

    def _bind(self) -> None:
        if self._engine.engine.num_optimization_profiles:
            self._require(
                self._context.set_optimization_profile_async(0, self._stream.handle),
                "it did not take optimisation profile 0 (TensorRT 8.5 allows one context only)",
            )
        for name, block in (
            (self._engine.input, self._device_in),
            (self._engine.output, self._device_out),
        ):
            self._require(
                self._context.set_tensor_address(name, block.address),
                f"it did not take the address of {name}",
            )
        self._stream.synchronize()

    def _resize(self, size: int) -> None:
        if size == self._size:
            return
        self._require(
            self._context.set_input_shape(self._engine.input, (size, *self._image)),
            f"it refuses a batch of {size}",
        )
        self._size = size

    def _launch(self, size: int) -> None:
        if self._wants_graph and self._runs:
            self._wants_graph = False
            self._capture(size)
        if self._graph is not None:
            self._graph.launch(self._stream.handle)
        else:
            self._enqueue(size)

    def _capture(self, size: int) -> None:
        """Some engines hold what a capture does not allow, and only the attempt tells."""
        try:
            self._graph = captured(lambda: self._enqueue(size), self._stream.handle)
        except EmbedgeError as refused:
            if isinstance(refused, CudaFailure) and refused.lost:
                raise
            self.graph_refused = refused.what

    def _enqueue(self, size: int) -> None:
        self._memory.upload(self._device_in, self._in[:size], self._stream)
        self._require(self._context.execute_async_v3(self._stream.handle), "it did not run")
        self._memory.download(self._out[:size], self._device_out, self._stream)

    def _require(self, done: Any, what: str) -> None:
        if done:
            return
        errors = self._engine.log.errors
        raise EmbedgeError(
            "E-TRT-RUN",
            f"the engine failed: {what}" + (f" ({errors[-1]})" if errors else ""),
            remedy="Build the engine again on this device; embedge doctor shows the versions",
        )
