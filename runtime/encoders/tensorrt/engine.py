"""A verified plan -> a TensorRT engine whose input and output fit the contract."""

import hashlib
from dataclasses import dataclass
from typing import Any

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.tensorrt.api import library_version, tensorrt_module
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.log import tensorrt_log

__all__ = ["TensorRTEngine", "engine_from_plan"]


@dataclass(frozen=True, slots=True)
class TensorRTEngine:
    """`batches` is what the engine accepts: smallest, best, largest.

    `runtime` and `log` must outlive `engine`; they are kept here for that alone.
    """

    engine: Any
    runtime: Any
    log: Any
    input: str
    output: str
    batches: tuple[int, int, int]

    @property
    def fixed(self) -> bool:
        return self.batches[0] == self.batches[2]

    def context(self) -> Any:
        """An execution context; each belongs to one caller at a time."""
        context = self.engine.create_execution_context()
        if context is None:
            raise EmbedgeError(
                "E-CUDA-MEMORY",
                f"TensorRT made no execution context: {_last(self.log)}",
                remedy="Lower --contexts, or build the engine with a smaller largest batch",
            )
        return context


def engine_from_plan(
    plan: bytes, card: EngineCard, contract: EmbeddingContract, sm: int
) -> TensorRTEngine:
    """Deserialise, after digest, versions and device are known to fit: a plan is machine code."""
    trt = tensorrt_module(card.target)
    if hashlib.sha256(plan).hexdigest() != card.plan_sha256:
        raise _foreign("the plan is not the one its sidecar describes", card)
    if misfit := card.misfit(library_version(trt), sm):
        raise _foreign(misfit, card)
    log = tensorrt_log(trt)
    runtime = trt.Runtime(log)
    if card.version_compatible:
        runtime.engine_host_code_allowed = True
    if card.dla is not None:
        runtime.DLA_core = card.dla
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise _foreign(f"TensorRT refuses it: {_last(log)}", card)
    return TensorRTEngine(engine, runtime, log, *_door(trt, engine, contract))


def _door(
    trt: Any, engine: Any, contract: EmbeddingContract
) -> tuple[str, str, tuple[int, int, int]]:
    """(input, output, batches) once names, types and shapes are those of the contract."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    inputs = [n for n in names if engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
    outputs = [n for n in names if engine.get_tensor_mode(n) == trt.TensorIOMode.OUTPUT]
    if len(inputs) != 1 or len(outputs) != 1:
        raise _misshapen(f"it has {len(inputs)} inputs and {len(outputs)} outputs")
    (image,), (embedding,) = inputs, outputs
    for name, wanted in ((image, (3, contract.size, contract.size)), (embedding, (contract.dim,))):
        shape = tuple(engine.get_tensor_shape(name))
        if engine.get_tensor_dtype(name) != trt.DataType.FLOAT or shape[1:] != wanted:
            kind = engine.get_tensor_dtype(name).name
            raise _misshapen(f"{name} is {kind} {shape}, the contract says FLOAT (batch, {wanted})")
    return image, embedding, _batches(engine, image)


def _batches(engine: Any, image: str) -> tuple[int, int, int]:
    batch = engine.get_tensor_shape(image)[0]
    if batch != -1:
        return (batch, batch, batch)
    smallest, best, largest = (shape[0] for shape in engine.get_tensor_profile_shape(image, 0))
    return (smallest, best, largest)


def _foreign(what: str, card: EngineCard) -> EmbedgeError:
    return EmbedgeError(
        "E-ENGINE-FOREIGN",
        f"the engine {card.plan} cannot be loaded here: {what}",
        remedy=f"Build it on this device: embedge build-engine BUNDLE --precision {card.precision}",
    )


def _misshapen(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-ENGINE-SHAPE",
        f"the engine does not compute the contract's embedding: {what}",
        remedy="Build it from this bundle's own graph: embedge build-engine BUNDLE",
    )


def _last(log: Any) -> str:
    return log.errors[-1] if log.errors else "it gave no reason"
