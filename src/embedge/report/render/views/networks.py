"""What was distilled and what was made from it: models and artifacts."""

from collections.abc import Mapping, Sequence
from typing import Any

from embedge.calibration.evaluation.figures import FloatLayer
from embedge.report.model import Report
from embedge.report.render.words import (
    byte_text,
    count_text,
    one_in,
    percent,
    rate_text,
    short_digest,
)
from embedge.runtime.threshold import Threshold

__all__ = ["artifacts_view", "models_view"]


def models_view(report: Report) -> list[dict[str, Any]]:
    most = max((model.parameters for model in report.models), default=0)
    return [
        {
            "name": model.name,
            "role": model.role,
            "method": model.method,
            "note": model.note,
            "dim": model.dim,
            "parameters": count_text(model.parameters),
            "macs": count_text(model.macs),
            "share": 100 * model.parameters / most if most else 0,
        }
        for model in report.models
    ]


def artifacts_view(report: Report) -> list[dict[str, Any]]:
    most = max((artifact.bytes for artifact in report.artifacts), default=0)
    return [
        {
            "name": artifact.name,
            "file": artifact.file,
            "sha256": artifact.sha256,
            "precision": artifact.precision,
            "opset": artifact.opset,
            "provider": artifact.provider,
            "cosine_to_torch": artifact.cosine_to_torch,
            "note": artifact.note,
            "size": byte_text(artifact.bytes),
            "share": 100 * artifact.bytes / most if most else 0,
            "digest": short_digest(artifact.sha256),
            "threshold": _threshold(artifact.threshold),
            "placed": _placement(artifact.placement),
            "float_layers": _float_layers(artifact.float_layers),
        }
        for artifact in report.artifacts
    ]


def _threshold(threshold: Threshold | None) -> dict[str, str] | None:
    if threshold is None:
        return None
    target = threshold.fmr_target
    return {
        "value": f"{threshold.value:.4f}",
        "promise": f"FMR ≤ {rate_text(target)} ({one_in(target)})",
        "evidence": (
            f"measured {percent(threshold.fmr, 3)}, at most {percent(threshold.fmr_upper, 3)}"
            f" with {100 * threshold.confidence:g} % confidence;"
            f" {threshold.impostors:,} impostor pairs of {threshold.subjects:,} people"
        ),
    }


def _placement(placement: Mapping[str, Mapping[str, int]] | None) -> list[str]:
    """`CPUExecutionProvider: 61 nodes (24 QLinearConv, …)`, one line per provider."""
    lines = []
    for provider, operators in (placement or {}).items():
        common = sorted(operators.items(), key=lambda item: -item[1])[:4]
        named = ", ".join(f"{count} {operator}" for operator, count in common)
        lines.append(f"{provider}: {sum(operators.values())} nodes ({named}…)")
    return lines


def _float_layers(layers: Sequence[FloatLayer]) -> list[dict[str, str]]:
    return [
        {"node": layer.node, "share": percent(layer.macs_share, 2), "why": layer.why}
        for layer in layers
    ]
