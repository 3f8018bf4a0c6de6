"""Models to evaluate: an artifact of a bundle, an ONNX file of ours, or a foreign ONNX file."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from embedge.calibration.evaluation.figures import Side
from embedge.errors import EmbedgeError
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.contract import EmbeddingContract, Flip
from embedge.runtime.encoders.ort import METADATA_KEY, OrtEncoder
from embedge.runtime.encoders.preprocessing import FEEDINGS
from embedge.runtime.encoders.sessions import ort_session
from embedge.runtime.threshold import Threshold

__all__ = ["STATED", "EvaluatedModel", "opened_model"]

STATED = ("the bundle's manifest", "the model's own metadata")

_CONVENTION = (
    "assumed from its shape and the InsightFace convention: RGB, (x - 127.5) / 127.5, ArcFace"
    " template; its space is its own"
)


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedModel:
    """A model by its bytes; `contract_from` says in words where its contract was read."""

    side: Side
    encoder: OrtEncoder
    digest: str
    contract_from: str
    threshold: Threshold | None = None


def opened_model(
    path: str,
    *,
    space: str | None = None,
    flip: Flip | None = None,
    threads: int | None = None,
    require_provider: str | None = None,
    preprocessing: str | None = None,
) -> EvaluatedModel:
    """Open `FILE.onnx`, `NAME.embedge` or `NAME.embedge:ARTIFACT`.

    `space` names the space of foreign ONNX files, for those who know two of them to share it;
    `preprocessing` (a name of `FEEDINGS`) says how to feed one that states nothing.
    """
    found = _found(path, space)
    if preprocessing is not None:
        found = _fed(found, preprocessing, space)
    contract = found.contract if flip is None else replace(found.contract, flip=flip)
    encoder = OrtEncoder(found.data, contract, threads=threads, require_provider=require_provider)
    digest = hashlib.sha256(found.data).hexdigest()
    # a threshold holds for the embeddings it was measured on, mirrored pictures or not
    threshold = found.threshold if contract == found.contract else None
    return EvaluatedModel(found.side, encoder, digest, found.source, threshold)


@dataclass(frozen=True, slots=True)
class _Found:
    data: bytes
    contract: EmbeddingContract
    side: Side
    source: str
    threshold: Threshold | None = None


def _fed(found: _Found, preprocessing: str, space: str | None) -> _Found:
    if found.source != _CONVENTION:
        raise EmbedgeError(
            "E-CONTRACT",
            f"{found.side} states how it is to be fed; it cannot be fed {preprocessing}",
            remedy="Leave the preprocessing of this model out",
        )
    contract = FEEDINGS[preprocessing].of(found.contract)
    if space is None and contract != found.contract:  # fed otherwise it speaks otherwise
        contract = replace(contract, space=f"{contract.space}:{preprocessing}")
    return replace(found, contract=contract, source=f"fed {preprocessing}, as was asked for")


def _found(path: str, space: str | None) -> _Found:
    folder, colon, artifact = path.rpartition(":")
    place = Path(folder if colon and not Path(path).exists() else path)
    if place.is_dir() or place.suffix == ".zip":
        with Bundle.open(place) as bundle:
            chosen = bundle.artifact(artifact if colon else None)
            return _Found(
                bundle.read(chosen.file),
                bundle.contract,
                Side(bundle.name, chosen.name),
                STATED[0],
                chosen.threshold,
            )
    try:
        data = place.read_bytes()
    except OSError as error:
        raise EmbedgeError(
            "E-MODEL-MISSING",
            f"cannot read the model: {error.strerror}",
            where=place,
            remedy="Give an .onnx file, a bundle NAME.embedge, or NAME.embedge:ARTIFACT",
        ) from error
    contract, source = _contract(data, space)
    return _Found(data, contract, Side(place.stem), source)


def _contract(data: bytes, space: str | None) -> tuple[EmbeddingContract, str]:
    session = ort_session(data)
    if METADATA_KEY in session.get_modelmeta().custom_metadata_map:
        return OrtEncoder(data).contract, STATED[1]
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    dim = outputs[0].shape[-1] if len(outputs) == 1 else None
    if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or not isinstance(dim, int):
        raise EmbedgeError(
            "E-CONTRACT",
            f"no contract can be read from this model: input {shape}, embedding of length {dim}",
            remedy="Export it with embedge, or with a fixed image size and embedding length",
        )
    digest = hashlib.sha256(data).hexdigest()
    size = shape[2] if isinstance(shape[2], int) else 112
    return EmbeddingContract(space or f"foreign:{digest[:16]}", digest, dim, size), _CONVENTION
