"""Choosing the engine of a bundle: same graph, this TensorRT, this GPU, or a clear refusal."""

import hashlib
from typing import Any

from embedge.errors import EmbedgeError
from embedge.runtime.bundle.bundle import Artifact, Bundle
from embedge.runtime.encoders.tensorrt.api import library_version, tensorrt_module
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.cuda.driver import cuda_driver
from embedge.runtime.encoders.tensorrt.encoder import TensorRTEncoder

__all__ = ["engine_cards", "tensorrt_encoder_from_bundle"]


def tensorrt_encoder_from_bundle(
    bundle: Bundle, artifact: str | None = None, *, device: int = 0, **options: Any
) -> TensorRTEncoder:
    """The encoder on the engine built from this artifact; `options` go to `TensorRTEncoder`."""
    chosen = bundle.artifact(artifact)
    driver = cuda_driver()
    if driver.problem is not None:
        raise EmbedgeError(
            "E-NO-GPU",
            f"an engine cannot run here: {driver.problem}",
            remedy="Run the ONNX artifact on the CPU, or see embedge doctor",
        )
    file, card = _fitting(bundle, chosen, driver.devices[device].sm)
    return TensorRTEncoder(bundle.read(file), card, bundle.contract, device=device, **options)


def engine_cards(bundle: Bundle, artifact: Artifact) -> dict[str, EngineCard]:
    """Plans built from exactly this artifact's graph; those of an older graph do not count."""
    graph = hashlib.sha256(bundle.read(artifact.file)).hexdigest()
    plans = [file for file in bundle.files if file.endswith(".plan")]
    cards = {plan: EngineCard.parse(bundle.read(f"{plan}.json"), plan) for plan in plans}
    return {plan: card for plan, card in cards.items() if card.onnx_sha256 == graph}


def _fitting(bundle: Bundle, artifact: Artifact, sm: int) -> tuple[str, EngineCard]:
    refusals = []
    for plan, card in engine_cards(bundle, artifact).items():
        misfit = _misfit(card, sm)
        if misfit is None:
            return plan, card
        refusals.append(f"{plan}: {misfit}")
    what = "; ".join(refusals) or "it holds no engine of this graph"
    raise EmbedgeError(
        "E-ENGINE-FOREIGN",
        f"the bundle {bundle.name} has no engine of '{artifact.name}' for this device: {what}",
        remedy=f"Build one here: embedge build-engine BUNDLE --artifact {artifact.name}",
    )


def _misfit(card: EngineCard, sm: int) -> str | None:
    try:
        version = library_version(tensorrt_module(card.target))
    except EmbedgeError as error:  # the other targets of the bundle may still fit
        return error.what
    return card.misfit(version, sm)
