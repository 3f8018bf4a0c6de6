"""Build an engine of a bundle's graph, check it on this device, and add it to the bundle."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.export.engines.build import engine_from_onnx, layers_path
from embedge.export.engines.check import EngineCheck, checked_engine, require_agreement
from embedge.export.engines.options import EngineOptions
from embedge.export.engines.tensorrt.progress import Progress
from embedge.report.engine import engine_report
from embedge.report.model import Report
from embedge.runtime.bundle.bundle import Artifact, Bundle
from embedge.runtime.bundle.writer import write_bundle
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.tensorrt.api import tensorrt_module
from embedge.runtime.encoders.tensorrt.card import EngineCard, card_path
from embedge.runtime.encoders.tensorrt.cuda.driver import cuda_driver
from embedge.runtime.encoders.tensorrt.library import library_version
from embedge.runtime.picture.images import RgbImage

__all__ = ["BuiltEngine", "Checking", "artifact_for", "engine_into_bundle"]


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    """`check` and `report` are None for an engine built ahead of time: there is no GPU to ask."""

    file: str
    card: EngineCard
    check: EngineCheck | None
    report: Report | None


@dataclass(frozen=True, slots=True)
class Checking:
    """How an engine is checked: on which faces (made when needed), how long, which bound."""

    crops: Callable[[], RgbImage]
    seconds: float = 20.0
    memory: str | None = None
    bound: float | None = None


def engine_into_bundle(
    folder: Path,
    artifact: str | None,
    options: EngineOptions,
    checking: Checking,
    *,
    drop_signature: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> BuiltEngine:
    """The bundle is replaced whole once the engine agrees with its graph, else left as it is."""
    if not folder.is_dir():
        raise EmbedgeError(
            "E-BUNDLE-ZIP",
            "an engine can be added to a bundle folder only",
            where=folder,
            remedy="Unpack the .zip and give the folder",
        )
    with Bundle.open(folder) as bundle, tempfile.TemporaryDirectory() as scratch:
        if bundle.signature is not None and not drop_signature:
            raise _signed(folder)
        chosen = artifact_for(bundle, artifact, options)
        model = bundle.read(chosen.file)
        graph = Path(scratch) / Path(chosen.file).name
        graph.write_bytes(model)
        plan = Path(scratch) / _plan_name(chosen, options)
        calibration = bundle.provenance.get("calibration_sha256")
        card = engine_from_onnx(
            graph, plan, options, calibration_sha256=calibration, progress=progress
        )
        file = f"engines/{plan.name}"
        check = None if options.sms else _checked(plan, card, model, bundle.contract, checking)
        report = None
        if check is not None:
            report = engine_report(bundle, chosen, file, card, check, command)
        _add(folder, bundle, [plan, card_path(plan), layers_path(plan)])
    return BuiltEngine(file, card, check, report)


def artifact_for(bundle: Bundle, name: str | None, options: EngineOptions) -> Artifact:
    """The graph to build from: the one named, else the one that carries the precision."""
    if name is not None:
        return bundle.artifact(name)
    if options.precision != "int8":
        return bundle.artifact(options.precision)
    trt = tensorrt_module(options.target)
    typed = hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
    older = "int8-trt8"  # opset 17, for TensorRT 8
    return bundle.artifact("int8-trt" if typed or older not in bundle.artifacts else older)


def _checked(
    plan: Path, card: EngineCard, model: bytes, contract: EmbeddingContract, checking: Checking
) -> EngineCheck:
    check = checked_engine(
        plan.stem,
        plan.read_bytes(),
        card,
        model,
        contract,
        checking.crops(),
        seconds=checking.seconds,
        memory=checking.memory,
        bound=checking.bound,
    )
    require_agreement(plan.stem, check)
    return check


def _plan_name(artifact: Artifact, options: EngineOptions) -> str:
    """One engine for each graph, GPU generation and TensorRT; a rebuild replaces its own."""
    sms = options.sms or tuple(device.sm for device in cuda_driver().devices[:1])
    gpus = "+".join(f"sm{sm}" for sm in sms) or "no-gpu"
    core = "" if options.dla is None else f".dla{options.dla}"
    version = library_version(tensorrt_module(options.target))
    return f"{artifact.name}.{gpus}{core}.{options.target}-{version}.plan"


def _add(folder: Path, bundle: Bundle, built: list[Path]) -> None:
    new = {f"engines/{path.name}": path for path in built if path.is_file()}
    kept = {file: bundle.read(file) for file in bundle.files if file not in new}
    write_bundle(
        folder,
        name=bundle.name,
        contract=bundle.contract,
        artifacts=bundle.artifacts.values(),
        files={**kept, **new},
        provenance=bundle.provenance,
        default_artifact=bundle.default_artifact,
        extras=bundle.extras,
        version=bundle.declared.version,
        expires=bundle.declared.expires,
    )


def _signed(folder: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-BUNDLE-SIGNED",
        "an engine changes the manifest, so the bundle's signature would no longer fit",
        where=folder,
        remedy="Give --drop-signature, then sign the bundle again: embedge sign",
    )
