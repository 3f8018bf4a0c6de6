"""Build an engine from one ONNX file, of whoever made it, and put it beside the file.

What a network expects of a picture must be known before faces can be asked whether the engine
agrees with it. A file that carries its contract says so; of another one nothing is assumed.
"""

import tempfile
from pathlib import Path

from embedge.export.engines.build import engine_from_onnx, layers_path
from embedge.export.engines.check import require_agreement
from embedge.export.engines.options import EngineOptions
from embedge.export.engines.tensorrt.progress import Progress
from embedge.files import write_bytes
from embedge.pipeline.additions.engine_in_bundle import (
    AHEAD_OF_TIME,
    BuiltEngine,
    Checking,
    engine_name,
)
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import METADATA_KEY, OrtEncoder
from embedge.runtime.encoders.sessions import graph_facts, model_bytes, require_self_contained
from embedge.runtime.encoders.tensorrt.card import card_path

__all__ = ["carried_contract", "engine_of_onnx", "precision_of_onnx"]

_UNSAID = "the file does not say how a picture enters it"


def engine_of_onnx(
    model: Path,
    options: EngineOptions,
    checking: Checking,
    *,
    contract: EmbeddingContract | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> BuiltEngine:
    """`out` is where the plan goes, its sidecar beside it; nothing stays of one that disagrees.

    `contract` says how a picture enters the network; None asks the file itself.
    """
    data = model_bytes(model)
    require_self_contained(data)
    contract = contract or carried_contract(data)
    plan = out or model.with_name(engine_name(model.stem, options))
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / plan.name
        card = engine_from_onnx(model, draft, options, progress=progress)
        built = BuiltEngine(str(plan), card, unchecked=AHEAD_OF_TIME if options.sms else _UNSAID)
        if contract is not None and not options.sms:
            check = checking.entrant(draft, card, data, contract, checking.crops()).check
            require_agreement(plan.stem, check)
            built = BuiltEngine(str(plan), card, check)
        for beside in (layers_path, card_path, Path):
            if beside(draft).is_file():
                write_bytes(beside(plan), beside(draft).read_bytes())
    return built


def carried_contract(model: bytes) -> EmbeddingContract | None:
    """The contract that a file of ours carries."""
    if METADATA_KEY.encode() not in model:
        return None
    with OrtEncoder(model, threads=1) as encoder:
        return encoder.contract


def precision_of_onnx(model: Path) -> str:
    """Precision is written in the graph."""
    facts = graph_facts(model_bytes(model))
    return "int8" if facts.quantised else "fp16" if facts.half else "fp32"
