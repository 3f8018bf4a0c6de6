"""Whether INT8 is worth it on this device: engines timed side by side, on the same faces.

Without kernels that profit a network in INT8 is no faster than in FP16, and it rounds more. So
FP16 is what INT8 has to beat, by more than a stopwatch errs.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from embedge.bench.core import Timed, single_stream
from embedge.export.engines.check import EngineCheck, embedding_call
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.encoder import TensorRTEncoder
from embedge.runtime.picture.images import RgbImage

__all__ = ["Entrant", "chosen_engine", "medians"]

_WORTH_IT = 0.97  # of the wider engine's median; two runs of one engine differ by less


@dataclass(frozen=True, slots=True)
class Entrant:
    """An engine that was built and compared with its graph."""

    plan: bytes
    card: EngineCard
    check: EngineCheck

    @property
    def name(self) -> str:
        return self.card.precision.upper()


def chosen_engine(
    entrants: Sequence[Entrant],
    contract: EmbeddingContract,
    crops: RgbImage,
    *,
    seconds: float,
    memory: str | None = None,
) -> tuple[int, str]:
    """(place, why) of the one to keep: of one, or of a narrow engine before a wider one.

    Where none agrees with its graph the first is named, for its owner to be told.
    """
    passing = [place for place, one in enumerate(entrants) if one.check.passed]
    if len(passing) < 2:
        refused = [_refusal(one) for one in entrants if not one.check.passed]
        return (passing or [0])[0], "; ".join(refused)
    narrow, wide = medians(entrants, contract, crops, seconds=seconds, memory=memory)
    best = 0 if narrow <= _WORTH_IT * wide else 1
    names = [one.name for one in entrants]
    told = f"{names[0]} {narrow:.3f} ms, {names[1]} {wide:.3f} ms"
    return best, f"{names[best]}, by medians timed in turns on this device: {told}"


def medians(
    entrants: Sequence[Entrant],
    contract: EmbeddingContract,
    crops: RgbImage,
    *,
    seconds: float,
    memory: str | None,
) -> list[float]:
    """Milliseconds of the batch each engine is best at, all of them open at the same time."""
    with ExitStack() as opened:
        subjects = []
        for one in entrants:
            engine = TensorRTEncoder(one.plan, one.card, contract, memory=memory)
            opened.enter_context(engine)
            batch = min(one.card.batches[1], len(crops))
            subjects.append(Timed(one.name, embedding_call(engine, crops, batch)))
        return [median(found.milliseconds) for found in single_stream(subjects, seconds=seconds)]


def _refusal(one: Entrant) -> str:
    return (
        f"{one.name} differs from its graph: lowest cosine {one.check.parity.min:.5f},"
        f" bound {one.check.bound}"
    )
