"""The report of one machine's bench: latencies only, ready to be merged into the bundle's."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from embedge.report.schema import SCHEMA
from embedge.runtime.bundle.bundle import Bundle

__all__ = ["device_report"]


def device_report(
    bundle: Bundle, artifacts: Sequence[str], latency: dict[str, Any]
) -> dict[str, Any]:
    """A whole report: verdict without gates, the artifacts measured, where they come from."""
    machine = latency["machine"]
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "title": f"{bundle.name} on {machine.get('name') or machine['cpu']}",
        "command": f"embedge bench {bundle.name}",
        "verdict": {"passed": True, "gates": []},
        "space": {
            "id": bundle.contract.space,
            "teacher": str(bundle.provenance.get("teacher", "")),
            "contract_digest": bundle.contract.digest,
        },
        "artifacts": [_artifact(bundle, name, latency) for name in artifacts],
        "latency": latency,
        "provenance": {
            key: bundle.provenance[key]
            for key in ("weight_licence", "data_licence", "teacher_digest")
            if key in bundle.provenance
        },
    }


def _artifact(bundle: Bundle, name: str, latency: dict[str, Any]) -> dict[str, Any]:
    artifact = bundle.artifact(name)
    return {
        "name": name,
        "file": artifact.file,
        **bundle.stated(artifact.file),
        "precision": artifact.precision,
        "opset": artifact.opset,
        "threshold": artifact.threshold and artifact.threshold.to_json(),
        "placement": latency.get("placement", {}).get(name),
    }
