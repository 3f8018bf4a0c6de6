"""What stands behind the numbers: worst pairs, training curves, provenance."""

import json
from collections.abc import Mapping
from typing import Any

from embedge.report.gate.licence import non_commercial
from embedge.report.render.plots import series_plot

__all__ = ["provenance_view", "training_view", "worst_view"]

_NAMES = {
    "teacher_digest": "Teacher (sha256)",
    "data_fingerprint": "Data fingerprint",
    "seed": "Seed",
    "weight_licence": "Licence of the weights",
    "data_licence": "Licence of the data",
}
_MOST_QUANTITIES = 12
_LONGEST_LABEL = 18
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
    shown = {side: _end(pair[side]) for side in ("label_a", "label_b")}
    return {**pair, **shown, "cosine": f"{pair['cosine']:.3f}".replace("-", "−")}


def _end(label: str) -> str:
    """Long names differ at their end."""
    return label if len(label) <= _LONGEST_LABEL else f"…{label[-_LONGEST_LABEL + 1 :]}"


def training_view(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One drawing per quantity, with every run that logged it in the same colour everywhere."""
    curves = (report.get("training") or {}).get("curves", [])
    runs = list(dict.fromkeys(curve["name"] for curve in curves))
    quantities = list(dict.fromkeys(name for curve in curves for name in curve["series"]))
    drawn: list[dict[str, Any]] = []
    for quantity in quantities[:_MOST_QUANTITIES]:
        chosen = [(runs.index(c["name"]), c) for c in curves if quantity in c["series"]]
        title = quantity.replace("_", " ")
        svg = series_plot(
            {curve["name"]: (curve["steps"], curve["series"][quantity]) for _, curve in chosen},
            styles=[style for style, _ in chosen],
            name=f"train{len(drawn)}",
            x="step",
            y=title,
        )
        lines = [{"style": style, "name": curve["name"]} for style, curve in chosen]
        drawn.append({"title": title, "svg": svg, "lines": lines})
    return drawn


def provenance_view(report: Mapping[str, Any]) -> dict[str, Any]:
    provenance = report["provenance"]
    rest = {key: value for key, value in provenance.items() if key not in _APART}
    rest["weight_licence"] = _licence(provenance.get("weight_licence"))
    return {
        "facts": [
            (_NAMES.get(key, key.replace("_", " ").capitalize()), _plain(value))
            for key, value in rest.items()
            if value not in (None, "", {}, [])
        ],
        "versions": sorted(provenance.get("versions", {}).items()),
        "recipe": _recipe(provenance.get("recipe") or {}),
    }


def _licence(licence: str | None) -> str:
    """An unknown licence is a fact too."""
    if not licence:
        return "not stated"
    return f"{licence} (non-commercial)" if non_commercial(licence) else licence


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
