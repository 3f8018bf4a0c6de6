"""The report of one machine's bench: latencies only, ready to be merged into the bundle's."""

from collections.abc import Sequence

from embedge.bench.results import Latency
from embedge.printed import now_in_utc
from embedge.report.model import Artifact, Provenance, Report, Space, Verdict
from embedge.runtime.bundle.bundle import Bundle

__all__ = ["device_report", "space_of"]


def device_report(bundle: Bundle, artifacts: Sequence[str], latency: Latency) -> Report:
    """A whole report: verdict without gates, the artifacts measured, where they come from."""
    known = bundle.provenance
    return Report(
        created=now_in_utc(),
        title=f"{bundle.name} on {latency.machine.name or latency.machine.cpu}",
        command=f"embedge bench {bundle.name}",
        verdict=Verdict.of([]),
        space=space_of(bundle),
        artifacts=tuple(_artifact(bundle, name, latency) for name in artifacts),
        latency=latency,
        provenance=Provenance(
            teacher_digest=known.get("teacher_digest"),
            weight_licence=known.get("weight_licence"),
            data_licence=known.get("data_licence"),
        ),
    )


def space_of(bundle: Bundle) -> Space:
    contract, teacher = bundle.contract, bundle.provenance.get("teacher_digest")
    return Space(contract.space, str(teacher or "unknown"), contract.digest)


def _artifact(bundle: Bundle, name: str, latency: Latency) -> Artifact:
    artifact = bundle.artifact(name)
    return Artifact(
        name=name,
        file=artifact.file,
        **bundle.stated(artifact.file),
        precision=artifact.precision,
        opset=artifact.opset,
        threshold=artifact.threshold,
        placement=(latency.placement or {}).get(name),
    )
