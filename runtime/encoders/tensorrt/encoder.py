"""The encoder on a TensorRT engine: a pool of lanes, shared safely between threads."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.closing import closed_error
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import CropEncoder
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.cuda.driver import CudaDevice, cuda_driver
from embedge.runtime.encoders.tensorrt.cuda.failures import CudaFailure
from embedge.runtime.encoders.tensorrt.cuda.layers import open_memory
from embedge.runtime.encoders.tensorrt.cuda.memory import CudaMemory
from embedge.runtime.encoders.tensorrt.engine import engine_from_plan
from embedge.runtime.encoders.tensorrt.lane import TensorRTLane
from embedge.runtime.encoders.tensorrt.lanes import LanePool

__all__ = ["TensorRTEncoder"]


class TensorRTEncoder(CropEncoder):
    """An engine as an encoder. `contexts` callers run at the same time, further ones wait.

    `plan` and `card` must come from a verified bundle (`encoder_from_bundle`). `memory` names the
    layer ("pycuda" or "cuda-bindings"); None takes the first one installed. `graphs` records CUDA
    graphs; None does so when the engine's batch is fixed, and never on a DLA.
    """

    def __init__(
        self,
        plan: bytes,
        card: EngineCard,
        contract: EmbeddingContract,
        *,
        memory: str | None = None,
        contexts: int = 1,
        graphs: bool | None = None,
        device: int = 0,
    ) -> None:
        if contexts < 1:
            raise EmbedgeError("E-CONTEXTS", f"{contexts} contexts", remedy="Give 1 or more")
        self.contract = contract
        self.card, self._batch = card, card.batches[2]
        self._gpu = _gpu(device)
        self._lost: CudaFailure | None = None
        self._lanes: list[TensorRTLane] = []
        self._memory: CudaMemory | None = open_memory(memory, device)
        try:
            self._open_lanes(self._memory, plan, contexts, graphs)
        except BaseException:
            self._release()
            raise
        self._pool = LanePool(self._lanes)

    @property
    def provider(self) -> str:
        """What really runs, for reports: engine, device, precision, memory layer, launches."""
        memory = self._memory.name if self._memory else "closed"
        core = "" if self.card.dla is None else f", DLA {self.card.dla}"
        return (
            f"TensorRT {self.card.tensorrt} {self.card.precision}"
            f" ({self._gpu.name}, sm_{self._gpu.sm}{core}, {memory}{self._launches})"
        )

    @property
    def _launches(self) -> str:
        refusals = [lane.graph_refused for lane in self._lanes if lane.graph_refused]
        if refusals:
            return f", plain launches: capturing them failed, {refusals[0]}"
        return ", CUDA graph" if any(lane.uses_graph for lane in self._lanes) else ""

    def close(self) -> None:
        """Free everything on the device, once the calls under way have ended.

        Callers who wait are turned away with E-CLOSED, and so are later ones. Safe to call twice,
        from any thread, and after a lost device.
        """
        if self._pool.drain():
            self._release()

    def _release(self) -> None:
        memory, self._memory = self._memory, None
        if memory is None:
            return
        with suppress(CudaFailure):  # a lost device has nothing left to give back
            with memory.current():
                while self._lanes:
                    self._lanes.pop().close()
            memory.close()

    def _open_lanes(
        self, memory: CudaMemory, plan: bytes, contexts: int, graphs: bool | None
    ) -> None:
        with memory.current():
            opened = engine_from_plan(plan, self.card, self.contract, self._gpu.sm)
            dla = self.card.dla is not None
            graph = opened.fixed and not dla if graphs is None else graphs
            if graph and dla:
                raise _no_graph_on_dla()
            if graph and not opened.fixed:
                raise _graph_needs_fixed_shape(opened.batches)
            image = (3, self.contract.size, self.contract.size)
            for _ in range(contexts):
                lane = TensorRTLane(opened, memory, image, self.contract.dim, graph=graph)
                self._lanes.append(lane)

    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._lane() as lane:
            return lane.run(tensor)

    @contextmanager
    def _lane(self) -> Iterator[TensorRTLane]:
        with self._pool.lent() as lane:
            if self._lost is not None:
                raise self._lost
            try:
                with self._open.current():
                    yield lane
            except CudaFailure as failure:
                self._lost = failure if failure.lost else self._lost
                raise

    @property
    def _open(self) -> CudaMemory:
        if self._memory is None:
            raise closed_error("encoder")
        return self._memory


def _gpu(device: int) -> CudaDevice:
    driver = cuda_driver()
    if driver.problem is None and device < len(driver.devices):
        return driver.devices[device]
    raise EmbedgeError(
        "E-NO-GPU",
        f"GPU {device} cannot be used: {driver.problem or 'there is no such device'}",
        remedy="Choose an ONNX artifact to run on the CPU, or see embedge doctor",
    )


def _graph_needs_fixed_shape(batches: tuple[int, int, int]) -> EmbedgeError:
    return EmbedgeError(
        "E-ENGINE-OPTION",
        f"a CUDA graph needs one batch size, this engine takes {batches[0]} to {batches[2]}",
        remedy="Build it with --batch 1 (or another single size), or leave graphs off",
    )


def _no_graph_on_dla() -> EmbedgeError:
    return EmbedgeError(
        "E-ENGINE-OPTION",
        "a CUDA graph was asked for, this engine runs on a DLA, and the two do not combine",
        remedy="Leave graphs off, or build the engine without --dla",
    )
