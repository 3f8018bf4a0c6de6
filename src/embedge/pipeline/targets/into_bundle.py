"""Convert a bundle's float graph for another runtime, prove it here, and add it to the bundle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from embedge.bench.artifacts import encoder_latency
from embedge.bench.machine.facts import machine
from embedge.bench.results import Latency
from embedge.calibration.evaluation.figures import Cosines
from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import EmbedgeError, GateFailed
from embedge.export.engines.check import BOUNDS
from embedge.export.targets import Converted
from embedge.report.device import device_report
from embedge.report.model import Gate, Report, Verdict
from embedge.runtime.bundle.bundle import Artifact, Bundle
from embedge.runtime.bundle.manifest import Runtime
from embedge.runtime.bundle.writer import write_bundle
from embedge.runtime.encoders import Encoder
from embedge.runtime.encoders.bundled import encoder_from_bundle, encoder_of_files
from embedge.runtime.picture.images import RgbImage
from embedge.typed import plain

__all__ = ["Precision", "Proven", "Target", "target_into_bundle"]

Target = Literal["ncnn", "litert"]
Precision = Literal["fp32", "fp16"]
_FLOAT = "fp32"  # the graph that is converted, and that the result is compared with


@dataclass(frozen=True, slots=True)
class Proven:
    """What was added, how near it is to the float graph, and how both ran side by side."""

    artifact: Artifact
    bytes: int
    parity: Cosines
    latency: Latency
    report: Report


def target_into_bundle(
    folder: Path,
    target: Target,
    precision: Precision,
    crops: RgbImage,
    *,
    seconds: float = 4.0,
    drop_signature: bool = False,
) -> Proven:
    """The bundle is replaced whole once the new artifact agrees with the float graph.

    A float conversion that agrees decides as its graph does, so it takes over its thresholds.
    """
    with _writable(folder, drop_signature=drop_signature) as bundle:
        source = bundle.artifact(_FLOAT)
        made = _CONVERTERS[target](bundle, precision)
        name = f"{precision}-{target}"
        files = {f"student.{precision}{ending}": data for ending, data in made.files.items()}
        artifact = replace(
            source, name=name, file=next(iter(files)), precision=precision, runtime=_RUNTIME[target]
        )
        parity, latency = _proof(bundle, artifact, files, crops, seconds)
        bound = BOUNDS[precision]
        if parity.min < bound:
            raise GateFailed(
                "E-TARGET-PARITY",
                f"{name} differs from {_FLOAT}: lowest cosine {parity.min:.5f}, bound {bound}",
                remedy="Try --precision fp32; the bundle was left as it is",
            )
        _add(folder, bundle, artifact, files, parity, made)
    with Bundle.open(folder) as bundle:
        report = _report(bundle, artifact, parity, bound, latency)
    return Proven(artifact, sum(map(len, files.values())), parity, latency, report)


def _ncnn(bundle: Bundle, precision: Precision) -> Converted:
    from embedge.export.targets.ncnn import ncnn_from_onnx

    model = bundle.read(bundle.artifact(_FLOAT).file)
    return ncnn_from_onnx(model, bundle.contract.size, half=precision == "fp16")


def _litert(bundle: Bundle, precision: Precision) -> Converted:
    from embedge.export.targets.litert import litert_from_onnx

    return litert_from_onnx(bundle.read(bundle.artifact(_FLOAT).file), half=precision == "fp16")


_CONVERTERS: dict[Target, Callable[[Bundle, Precision], Converted]] = {
    "ncnn": _ncnn,
    "litert": _litert,
}
_RUNTIME: dict[Target, Runtime] = {"ncnn": "ncnn", "litert": "litert"}


def _writable(folder: Path, *, drop_signature: bool) -> Bundle:
    if not folder.is_dir():
        raise EmbedgeError(
            "E-BUNDLE-ZIP",
            "an artifact can be added to a bundle folder only",
            where=folder,
            remedy="Unpack the .zip and give the folder",
        )
    bundle = Bundle.open(folder)
    if bundle.signature is not None and not drop_signature:
        bundle.close()
        raise EmbedgeError(
            "E-BUNDLE-SIGNED",
            "an artifact changes the manifest, so the bundle's signature would no longer fit",
            where=folder,
            remedy="Give --drop-signature, then sign the bundle again: embedge sign",
        )
    return bundle


def _proof(
    bundle: Bundle,
    artifact: Artifact,
    files: Mapping[str, bytes],
    crops: RgbImage,
    seconds: float,
) -> tuple[Cosines, Latency]:
    """The same faces through both, then their times, interleaved, on one thread."""
    with (
        encoder_from_bundle(bundle, _FLOAT, threads=1) as known,
        encoder_of_files(artifact, files.__getitem__, bundle.contract, threads=1) as new,
    ):
        parity = cosines_of(known.embed(crops), new.embed(crops))
        pair: list[tuple[str, int, Encoder]] = [(_FLOAT, 1, known), (artifact.name, 1, new)]
        rows = encoder_latency(pair, crops, seconds=seconds)
    return parity, Latency(machine=machine(), artifacts=rows)


def _add(
    folder: Path,
    bundle: Bundle,
    artifact: Artifact,
    files: Mapping[str, bytes],
    parity: Cosines,
    made: Converted,
) -> None:
    kept = {file: bundle.read(file) for file in bundle.files if file not in files}
    points = dict(bundle.extras.get("thresholds", {}))
    if _FLOAT in points:
        points[artifact.name] = points[_FLOAT]
    told = {"of": _FLOAT, "cosine": plain(parity), "tools": made.tools}
    targets = {**bundle.provenance.get("targets", {}), artifact.name: told}
    write_bundle(
        folder,
        name=bundle.name,
        contract=bundle.contract,
        artifacts=[*(a for a in bundle.artifacts.values() if a.name != artifact.name), artifact],
        files={**kept, **files},
        provenance={**bundle.provenance, "targets": targets},
        default_artifact=bundle.default_artifact,
        extras={**bundle.extras, "thresholds": points},
        version=bundle.declared.version,
        expires=bundle.declared.expires,
    )


def _report(
    bundle: Bundle, artifact: Artifact, parity: Cosines, bound: float, latency: Latency
) -> Report:
    """To be merged into the bundle's own."""
    what = f"lowest cosine between {artifact.name} and {_FLOAT} on the same faces"
    gate = Gate.of(f"{artifact.name} parity", what, parity.min, bound, "min")
    report = device_report(bundle, (artifact.name,), latency)
    note = f"cosine to {_FLOAT}: p1 {parity.p1:.6f}, lowest {parity.min:.6f} of {parity.n}"
    (row,) = report.artifacts
    provider = latency.artifacts[1].provider
    return replace(
        report,
        verdict=Verdict.of([gate]),
        artifacts=(replace(row, note=note, provider=provider),),
        title=f"{bundle.name}: {artifact.name}",
    )
