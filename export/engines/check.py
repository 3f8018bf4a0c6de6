"""Does the engine compute what its graph says, and how fast? Asked on the device that runs it."""

from collections.abc import Callable
from dataclasses import dataclass

from embedge.bench.core import Timed, single_stream
from embedge.bench.machine.tegrastats import metered
from embedge.bench.results import ArtifactLatency, Sample
from embedge.calibration.evaluation.figures import Cosines
from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import GateFailed
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Encoder
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.encoder import TensorRTEncoder
from embedge.runtime.picture.images import RgbImage

__all__ = ["BOUNDS", "EngineCheck", "checked_engine", "embedding_call", "require_agreement"]

# Lowest cosine, over all pictures, between the engine and its own graph on ONNX Runtime. INT8
# rounds ties and intermediate sums differently on a GPU; FP32 differs by summation order only.
BOUNDS = {"fp32": 0.9999, "fp16": 0.999, "int8": 0.99}


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """`power` is what tegrastats said, or nothing."""

    parity: Cosines
    bound: float
    provider: str
    latency: tuple[ArtifactLatency, ...]
    power: dict[str, Sample]

    @property
    def passed(self) -> bool:
        return self.parity.min >= self.bound


def checked_engine(
    name: str,
    plan: bytes,
    card: EngineCard,
    model: bytes,
    contract: EmbeddingContract,
    crops: RgbImage,
    *,
    seconds: float,
    memory: str | None = None,
    bound: float | None = None,
) -> EngineCheck:
    """Embed the same faces with the graph (CPU) and the engine, then time the engine."""
    with (
        OrtEncoder(model, contract) as graph,
        TensorRTEncoder(plan, card, contract, memory=memory) as engine,
    ):
        parity = cosines_of(graph.embed(crops), engine.embed(crops))
        with metered() as power:
            latency = _latency(name, engine, crops, card.batches[2], seconds)
        return EngineCheck(
            parity=parity,
            bound=BOUNDS[card.precision] if bound is None else bound,
            provider=engine.provider,
            latency=latency,
            power=power.summary(),
        )


def require_agreement(name: str, check: EngineCheck) -> None:
    if not check.passed:
        raise GateFailed(
            "E-ENGINE-PARITY",
            f"the engine {name} differs from its graph: lowest cosine {check.parity.min:.5f},"
            f" bound {check.bound}",
            remedy="Try --precision fp16 or another TensorRT; the bundle was left as it is",
        )


def _latency(
    name: str, engine: Encoder, crops: RgbImage, largest: int, seconds: float
) -> tuple[ArtifactLatency, ...]:
    """Batch 1, and the largest batch where the engine takes more."""
    batches = sorted({1, min(largest, len(crops))})
    subjects = [Timed(str(batch), embedding_call(engine, crops, batch)) for batch in batches]
    found = single_stream(subjects, seconds=seconds)
    return tuple(
        one.row(name, engine.provider, threads=1, batch=b) for b, one in zip(batches, found)
    )


def embedding_call(engine: Encoder, crops: RgbImage, batch: int) -> Callable[[int], object]:
    """The i-th query of a measurement: other faces each time."""
    starts = range(len(crops) - batch + 1)
    return lambda i: engine.embed(crops[starts[i % len(starts)] :][:batch])
