"""What was distilled and what was made from it: models and artifacts."""

from collections.abc import Mapping, Sequence
from typing import Any

from embedge.report.render.words import (
    byte_text,
    count_text,
    one_in,
    percent,
    rate_text,
    short_digest,
)

__all__ = ["artifacts_view", "models_view"]


def models_view(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    models = report.get("models", [])
    most = max((model["parameters"] for model in models), default=0)
    return [
        {
            **model,
            "parameters": count_text(model["parameters"]),
            "macs": count_text(model.get("macs")),
            "share": 100 * model["parameters"] / most if most else 0,
        }
        for model in models
    ]


def artifacts_view(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    artifacts = report.get("artifacts", [])
    most = max((artifact["bytes"] for artifact in artifacts), default=0)
    return [
        {
            **artifact,
            "size": byte_text(artifact["bytes"]),
            "share": 100 * artifact["bytes"] / most if most else 0,
            "digest": short_digest(artifact["sha256"]),
            "threshold": _threshold(artifact.get("threshold")),
            "placed": _placement(artifact.get("placement")),
            "float_layers": _float_layers(artifact.get("float_layers", [])),
        }
        for artifact in artifacts
    ]


def _threshold(threshold: Mapping[str, Any] | None) -> dict[str, str] | None:
    if threshold is None:
        return None
    target = threshold["fmr_target"]
    return {
        "value": f"{threshold['value']:.4f}",
        "promise": f"FMR ≤ {rate_text(target)} ({one_in(target)})",
        "evidence": (
            f"measured {percent(threshold['fmr'], 3)}, at most {percent(threshold['fmr_upper'], 3)}"
            f" with {100 * threshold['confidence']:g} % confidence;"
            f" {threshold['impostors']:,} impostor pairs of {threshold['subjects']:,} people"
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


def _float_layers(layers: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {"node": layer["node"], "share": percent(layer["macs_share"], 2), "why": layer["why"]}
        for layer in layers
    ]
