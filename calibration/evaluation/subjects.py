"""Models to evaluate: an artifact of a bundle, an ONNX file of ours, or a foreign ONNX file."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from embedge.calibration.evaluation.faces import CorruptRecord, Faces
from embedge.calibration.evaluation.figures import Side
from embedge.errors import EmbedgeError
from embedge.runtime.bundle.bundle import Artifact, Bundle
from embedge.runtime.bundle.manifest import ONNX_RUNTIME, Runtime
from embedge.runtime.contract import EmbeddingContract, Flip, arcface_template
from embedge.runtime.encoders import RowEncoder, require_steady
from embedge.runtime.encoders.bundled import chosen_artifact, encoder_of_files, files_of, reads
from embedge.runtime.encoders.ort import METADATA_KEY, OrtEncoder
from embedge.runtime.encoders.preprocessing import FEEDINGS
from embedge.runtime.encoders.sessions import ort_session
from embedge.runtime.picture.images import RgbImage
from embedge.runtime.threshold import Threshold

__all__ = [
    "ASSUMED",
    "SET_ON",
    "STATED",
    "EvaluatedModel",
    "TakenModel",
    "opened_model",
    "pixel_digest",
    "setting_pictures",
]


SET_ON = "threshold_pictures"  # of a bundle's extras

_ONE_PICTURE = "Give an embedding network: one picture in, one embedding out"
_ONE_ROW = "Name the embedding: embedge evaluate --embedding NAME, or embedge bundle --output NAME"
_BUNDLED = "as a teacher, take it in with embedge bundle first and give the bundle's fp32 file"
STATED = ("the bundle's manifest", "the model's own metadata")

ASSUMED = (
    "assumed from its shape and the InsightFace convention: RGB, (x - 127.5) / 127.5, ArcFace"
    " template; its space is its own"
)


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedModel:
    """A model by its bytes; `contract_from` says in words where its contract was read.

    `set_on`: digests of the pixels of those who set its threshold, as far as its bundle tells.
    """

    side: Side
    encoder: RowEncoder
    digest: str
    contract_from: str
    threshold: Threshold | None = None
    set_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TakenModel:
    """A foreign file brought to our form: what runs in its place, and who says how it is fed."""

    data: bytes
    contract: EmbeddingContract
    source: str


def pixel_digest(picture: RgbImage) -> str:
    """The same in every file that holds these pixels."""
    return hashlib.sha256(picture.tobytes()).hexdigest()[:16]


def setting_pictures(model: EvaluatedModel, faces: Faces) -> list[str]:
    """Which of these pictures set the model's threshold, as far as its bundle tells."""
    found: list[str] = []
    if model.threshold is None or not model.set_on:
        return found
    for index in range(len(faces)):
        try:
            seen = pixel_digest(faces.read(index)) in model.set_on
        except CorruptRecord:
            continue
        if seen:
            found.append(faces.record_name(index))
    return found


def opened_model(
    path: str,
    *,
    space: str | None = None,
    flip: Flip | None = None,
    threads: int | None = None,
    require_provider: str | None = None,
    preprocessing: str | None = None,
    runtime: Runtime | None = None,
    taken: TakenModel | None = None,
) -> EvaluatedModel:
    """Open `FILE.onnx`, `NAME.embedge` or `NAME.embedge:ARTIFACT`.

    `space` names the space of foreign ONNX files, for those who know two of them to share it;
    `preprocessing` (a name of `FEEDINGS`) says how to feed one that states nothing, and `taken`
    runs in its place. `runtime` is another than the one it was made for.
    """
    asked = runtime if require_provider is None else ONNX_RUNTIME  # whose provider it is
    found = _found(path, space, asked, taken)
    if preprocessing is not None:
        found = _fed(found, preprocessing, space)
    contract = found.contract if flip is None else replace(found.contract, flip=flip)
    if require_provider is not None:
        data = found.files[found.artifact.file]
        encoder: RowEncoder = OrtEncoder(
            data, contract, threads=threads, require_provider=require_provider
        )
    else:
        read = found.files.__getitem__
        encoder = encoder_of_files(found.artifact, read, contract, threads=threads)
    if found.source not in STATED:
        require_steady(encoder.features, contract.size, path)
    # a threshold holds for the embeddings it was measured on, mirrored pictures or not
    threshold = found.artifact.threshold if contract == found.contract else None
    return EvaluatedModel(found.side, encoder, found.digest, found.source, threshold, found.set_on)


@dataclass(frozen=True, slots=True)
class _Found:
    """`files` are those of the artifact, which names the runtime that it is run on."""

    artifact: Artifact
    files: dict[str, bytes]
    digest: str
    contract: EmbeddingContract
    side: Side
    source: str
    set_on: frozenset[str] = frozenset()


def _fed(found: _Found, preprocessing: str, space: str | None) -> _Found:
    if found.source != ASSUMED:
        raise EmbedgeError(
            "E-CONTRACT",
            f"{found.side} states how it is to be fed; it cannot be fed {preprocessing}",
            remedy="Leave the preprocessing of this model out",
        )
    contract = FEEDINGS[preprocessing].of(found.contract)
    if space is None and contract != found.contract:  # fed otherwise it speaks otherwise
        contract = replace(contract, space=f"{contract.space}:{preprocessing}")
    return replace(found, contract=contract, source=f"fed {preprocessing}, as was asked for")


def _found(
    path: str, space: str | None, runtime: Runtime | None, taken: TakenModel | None
) -> _Found:
    folder, colon, artifact = path.rpartition(":")
    place = Path(folder if colon and not Path(path).exists() else path)
    if place.is_dir() or place.suffix == ".zip":
        with Bundle.open(place) as bundle:
            chosen = chosen_artifact(bundle, artifact if colon else None, runtime)
            files = {name: bundle.read(name) for name in files_of(chosen)}
            side = Side(bundle.name, chosen.name)
            digest = hashlib.sha256(b"".join(files.values())).hexdigest()
            run = replace(chosen, runtime=runtime or chosen.runtime)
            told = bundle.extras.get(SET_ON)
            set_on = frozenset(map(str, told)) if isinstance(told, list) else frozenset[str]()
            return _Found(run, files, digest, bundle.contract, side, STATED[0], set_on)
    try:
        data = place.read_bytes()
    except OSError as error:
        raise EmbedgeError(
            "E-MODEL-MISSING",
            f"cannot read the model: {error.strerror}",
            where=place,
            remedy="Give an .onnx file, a bundle NAME.embedge, or NAME.embedge:ARTIFACT",
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if taken is None:
        contract, source = _contract(data, space, place)
    else:
        data, contract, source = taken.data, taken.contract, taken.source
    run = _onnx_file(place.name, runtime)
    return _Found(run, {run.file: data}, digest, contract, Side(place.stem), source)


def _onnx_file(name: str, runtime: Runtime | None) -> Artifact:
    file = Artifact(name, name, "fp32", opset=17, threshold=None)
    if runtime is None or reads(runtime, file):
        return replace(file, runtime=runtime or ONNX_RUNTIME)
    raise EmbedgeError(
        "E-RUNTIME",
        f"{name} is an ONNX file, which {runtime} does not read",
        remedy="Leave --runtime out, or give a bundle with an artifact made for it",
    )


def _contract(data: bytes, space: str | None, place: Path) -> tuple[EmbeddingContract, str]:
    session = ort_session(data)
    if METADATA_KEY in session.get_modelmeta().custom_metadata_map:
        return OrtEncoder(data).contract, STATED[1]
    inputs, outputs = session.get_inputs(), session.get_outputs()
    for kind, ends, remedy in (("inputs", inputs, _ONE_PICTURE), ("outputs", outputs, _ONE_ROW)):
        if len(ends) != 1:
            told = ", ".join(f"{end.name} {end.shape}" for end in ends)
            raise EmbedgeError(
                "E-CONTRACT",
                f"the model has {len(ends)} {kind}: {told}",
                where=place,
                remedy=remedy if ends is inputs else f"{remedy}; {_BUNDLED}",
            )
    shape, row = inputs[0].shape, outputs[0].shape
    square = len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3]
    if not square or len(row) != 2 or not isinstance(row[1], int):
        raise EmbedgeError(
            "E-CONTRACT",
            f"no contract can be read from this model: input {shape}, output {row}, not one square"
            " picture in and one row of numbers out",
            where=place,
            remedy="State how it is fed (evaluate --mean --std --colour), so that it is taken in;"
            f" {_BUNDLED}; where a height or a length is no number, export it with one",
        )
    dim = row[1]
    digest = hashlib.sha256(data).hexdigest()
    size = shape[2] if isinstance(shape[2], int) else 112
    own = space or f"foreign:{digest[:16]}"
    return EmbeddingContract(own, digest, dim, size, arcface_template(size)), ASSUMED
