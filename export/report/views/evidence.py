"""What stands behind the numbers: worst pairs, training curves, provenance."""

import json
from collections.abc import Mapping
from typing import Any

from embedge.export.report.plots import series_plot

__all__ = ["provenance_view", "training_view", "worst_view"]

_NAMES = {
    "teacher_digest": "Teacher (sha256)",
    "data_fingerprint": "Data fingerprint",
    "seed": "Seed",
    "weight_licence": "Licence of the weights",
    "data_licence": "Licence of the data",
}
_APART = ("versions", "recipe")


def worst_view(report: Mapping[str, Any]) -> dict[str, Any] | None:
    worst = report.get("worst")
    if not worst or not (worst.get("false_matches") or worst.get("false_non_matches")):
        return None
    return {
        "comparison": worst.get("comparison"),
        "threshold": worst.get("threshold"),
        "false_matches": [_pair(pair) for pair in worst.get("false_matches", [])],
        "false_non_matches": [_pair(pair) for pair in worst.get("false_non_matches", [])],
    }


def _pair(pair: Mapping[str, Any]) -> dict[str, Any]:
    return {**pair, "cosine": f"{pair['cosine']:.3f}".replace("-", "−")}


def training_view(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One drawing per quantity, with every run that logged it."""
    curves = (report.get("training") or {}).get("curves", [])
    quantities = list(dict.fromkeys(name for curve in curves for name in curve["series"]))
    drawn = []
    for index, quantity in enumerate(quantities):
        lines = {
            curve["name"]: (curve["steps"], curve["series"][quantity])
            for curve in curves
            if quantity in curve["series"]
        }
        svg = series_plot(lines, name=f"train{index}", x="step", y=quantity.replace("_", " "))
        drawn.append({"title": quantity.replace("_", " "), "svg": svg, "names": list(lines)})
    return drawn


def provenance_view(report: Mapping[str, Any]) -> dict[str, Any]:
    provenance = report["provenance"]
    rest = {key: value for key, value in provenance.items() if key not in _APART}
    return {
        "facts": [
            (_NAMES.get(key, key.replace("_", " ").capitalize()), _plain(value))
            for key, value in rest.items()
            if value not in (None, "", {}, [])
        ],
        "versions": sorted(provenance.get("versions", {}).items()),
        "recipe": _recipe(provenance.get("recipe") or {}),
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _recipe(recipe: Mapping[str, Any]) -> str:
    """The resolved recipe as `section.key: value` lines; nesting adds nothing for a reader."""
    return "\n".join(f"{key}: {value}" for key, value in _flat(recipe, ""))


def _flat(value: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            lines += _flat(inner, f"{prefix}{key}.")
        else:
            lines.append((f"{prefix}{key}", _plain(inner)))
    return lines
