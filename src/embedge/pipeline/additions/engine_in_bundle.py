"""Build an engine of a bundle's graph, check it on this device, and add it to the bundle."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedge.export.engines.build import engine_from_onnx, layers_path
from embedge.export.engines.check import EngineCheck, checked_engine, require_agreement
from embedge.export.engines.options import EngineOptions
from embedge.export.engines.race import Entrant, chosen_engine
from embedge.export.engines.tensorrt.progress import Progress
from embedge.pipeline.additions.rewriting import rewritten, writable
from embedge.report.engine import engine_report
from embedge.report.model import Report
from embedge.runtime.bundle.bundle import Artifact, Bundle
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.tensorrt.api import library_version, tensorrt_module
from embedge.runtime.encoders.tensorrt.card import EngineCard, card_path
from embedge.runtime.encoders.tensorrt.cuda.driver import cuda_driver
from embedge.runtime.picture.images import RgbImage

__all__ = [
    "AHEAD_OF_TIME",
    "BuiltEngine",
    "Checking",
    "artifact_for",
    "engine_into_bundle",
    "engine_name",
]

AHEAD_OF_TIME = "built ahead of time, no GPU to ask"


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    """`unchecked` says why there is no `check`; a `report` is of an engine in a bundle."""

    file: str
    card: EngineCard
    check: EngineCheck | None = None
    report: Report | None = None
    unchecked: str | None = None


@dataclass(frozen=True, slots=True)
class Checking:
    """How an engine is checked: on which faces (made when needed), how long, which bound."""

    crops: Callable[[], RgbImage]
    seconds: float
    memory: str | None = None
    bound: float | None = None

    def entrant(
        self, plan: Path, card: EngineCard, model: bytes, contract: EmbeddingContract, on: RgbImage
    ) -> Entrant:
        """The engine, compared with its graph on these faces and timed."""
        data = plan.read_bytes()
        check = checked_engine(
            plan.stem,
            data,
            card,
            model,
            contract,
            on,
            seconds=self.seconds,
            memory=self.memory,
            bound=self.bound,
        )
        return Entrant(data, card, check)


@dataclass(frozen=True, slots=True)
class _Draft:
    artifact: Artifact
    plan: Path
    card: EngineCard


def engine_into_bundle(
    folder: Path,
    artifact: str | None,
    wanted: Sequence[EngineOptions],
    checking: Checking,
    *,
    drop_signature: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> BuiltEngine:
    """The bundle is replaced whole once the engine agrees with its graph, else left as it is.

    Of two that are `wanted`, narrow before wide, both are built and the faster one is added.
    """
    with (
        writable(folder, "an engine", drop_signature=drop_signature) as bundle,
        tempfile.TemporaryDirectory() as scratch,
    ):
        drafts = _drafts(bundle, artifact, wanted, Path(scratch), progress)
        if wanted[0].sms:
            done = _finished(drafts[0], drafts[0].card, unchecked=AHEAD_OF_TIME)
        else:
            done = _fastest(bundle, drafts, checking, command)
        plan = Path(scratch) / done.card.plan
        made = [path for path in (plan, card_path(plan), layers_path(plan)) if path.is_file()]
        rewritten(folder, bundle, {f"engines/{path.name}": path for path in made})
    return done


def _drafts(
    bundle: Bundle,
    name: str | None,
    wanted: Sequence[EngineOptions],
    scratch: Path,
    progress: Progress | None,
) -> list[_Draft]:
    """Built, not yet looked at. Of several precisions those that the bundle, or a name, offers."""
    if len(wanted) > 1:
        offers = bundle.artifacts.values() if name is None else [bundle.artifact(name)]
        precisions = {one.precision for one in offers}
        wanted = [one for one in wanted if one.precision in precisions] or wanted[:1]
    chosen = [(artifact_for(bundle, name, one), one) for one in wanted]
    drafts = []
    for place, (artifact, options) in enumerate(chosen):
        graph = scratch / Path(artifact.file).name
        graph.write_bytes(bundle.read(artifact.file))
        plan = scratch / engine_name(artifact.name, options)
        faces = bundle.provenance.get("calibration_sha256")
        part = _part(progress, place, len(chosen))
        card = engine_from_onnx(graph, plan, options, calibration_sha256=faces, progress=part)
        drafts.append(_Draft(artifact, plan, card))
    return drafts


def _part(progress: Progress | None, done: int, of: int) -> Progress | None:
    """The progress of one build among several."""
    if progress is None:
        return None
    return lambda share, phase: progress((done + share) / of, phase)


def _fastest(
    bundle: Bundle, drafts: Sequence[_Draft], checking: Checking, command: str
) -> BuiltEngine:
    """Each one is compared with its graph; those that agree are timed against each other."""
    crops, contract = checking.crops(), bundle.contract
    entrants = [
        checking.entrant(one.plan, one.card, bundle.read(one.artifact.file), contract, crops)
        for one in drafts
    ]
    place, why = chosen_engine(
        entrants, contract, crops, seconds=checking.seconds, memory=checking.memory
    )
    draft, check = drafts[place], entrants[place].check
    require_agreement(draft.plan.stem, check)
    card = replace(draft.card, chosen=why if len(drafts) > 1 else None)
    card.write(draft.plan)
    done = _finished(draft, card)
    report = engine_report(bundle, draft.artifact, done.file, card, check, command)
    return replace(done, check=check, report=report)


def _finished(draft: _Draft, card: EngineCard, *, unchecked: str | None = None) -> BuiltEngine:
    return BuiltEngine(f"engines/{draft.plan.name}", card, unchecked=unchecked)


def artifact_for(bundle: Bundle, name: str | None, options: EngineOptions) -> Artifact:
    """The graph to build from: the one named, else the one that carries the precision."""
    if name is not None:
        return bundle.artifact(name)
    if options.precision != "int8":
        return bundle.artifact(options.precision)
    trt = tensorrt_module(options.target)
    typed = hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
    older = "int8-trt8"  # FP32 weights and opset 17, for TensorRT 8
    return bundle.artifact("int8-trt" if typed or older not in bundle.artifacts else older)


def engine_name(graph: str, options: EngineOptions) -> str:
    """One engine for each graph, GPU generation and TensorRT; a rebuild replaces its own."""
    sms = options.sms or tuple(device.sm for device in cuda_driver().devices[:1])
    gpus = "+".join(f"sm{sm}" for sm in sms) or "no-gpu"
    core = "" if options.dla is None else f".dla{options.dla}"
    version = library_version(tensorrt_module(options.target))
    return f"{graph}.{gpus}{core}.{options.target}-{version}.plan"
