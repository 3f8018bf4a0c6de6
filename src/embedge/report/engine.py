"""What a device measured of an engine, as a report to be merged into the bundle's."""

from dataclasses import replace

from embedge.bench.machine.facts import machine
from embedge.bench.machine.tegrastats import power_mode
from embedge.bench.results import Latency
from embedge.doctor.jetson import jetson
from embedge.doctor.packages import versions_of
from embedge.export.engines.check import EngineCheck
from embedge.printed import now_in_utc
from embedge.report.device import space_of
from embedge.report.gate.measurand import Measurand
from embedge.report.model import Artifact, Gate, Provenance, Report, Verdict
from embedge.runtime.bundle.bundle import Artifact as Graph
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.cuda.driver import cuda_driver
from embedge.typed import plain

__all__ = ["engine_report"]


def engine_report(
    bundle: Bundle,
    graph: Graph,
    file: str,
    card: EngineCard,
    check: EngineCheck,
    command: str,
) -> Report:
    """A complete report; `embedge report merge` adds it to the bundle's own."""
    name = file.rpartition("/")[2].removesuffix(".plan")
    return Report(
        created=now_in_utc(),
        title=f"{bundle.name}: engine {name}",
        command=command,
        verdict=Verdict.of([_gate(name, check)]),
        space=space_of(bundle),
        artifacts=(_artifact(name, file, graph, card, check),),
        latency=_latency(card, check),
        provenance=Provenance(versions=_versions(card), more={"engine": card.to_json()}),
    )


def _artifact(name: str, file: str, graph: Graph, card: EngineCard, check: EngineCheck) -> Artifact:
    parity = check.parity
    return Artifact(
        name=name,
        file=file,
        bytes=card.plan_bytes,
        sha256=card.plan_sha256,
        precision=card.precision,
        opset=graph.opset,
        provider=check.provider,
        note=f"engine of {graph.file}; cosine to that graph on ONNX Runtime:"
        f" mean {parity.mean:.5f}, p1 {parity.p1:.5f}, lowest {parity.min:.5f} of"
        f" {parity.n}" + (f"; chosen: {card.chosen}" if card.chosen else ""),
    )


def _gate(name: str, check: EngineCheck) -> Gate:
    what = "lowest cosine between the engine and its ONNX graph"
    measures = Measurand("cosine-min", name)
    return Gate.of(measures, f"engine parity {name}", what, check.parity.min, check.bound, "min")


def _latency(card: EngineCard, check: EngineCheck) -> Latency:
    board, here = jetson(), machine()
    return Latency(
        machine=replace(
            here,
            name=board.model if board else card.device,
            gpu=card.device,
            jetson=plain(board),
            power_mode=power_mode(),
        ),
        artifacts=check.latency,
        power=check.power or None,
    )


def _versions(card: EngineCard) -> dict[str, str]:
    device = {"tensorrt": card.tensorrt, "driver": card.driver, "cuda": cuda_driver().cuda_text}
    return versions_of(()) | device
