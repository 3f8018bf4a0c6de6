"""What stands behind the numbers: worst pairs, training curves, provenance."""

import json
from collections.abc import Mapping
from typing import Any

from embedge.report.gate.licence import non_commercial
from embedge.report.model import Curve, Pair, Report
from embedge.report.render.plots import series_plot

__all__ = ["provenance_view", "series_words", "training_view", "worst_view"]

_NAMES = {
    "teacher_digest": "Teacher (sha256)",
    "data_fingerprint": "Data fingerprint",
    "seed": "Seed",
    "weight_licence": "Licence of the weights",
    "data_licence": "Licence of the data",
}
_MOST_QUANTITIES = 12
_LONGEST_LABEL = 18


def worst_view(report: Report) -> dict[str, Any] | None:
    worst = report.worst
    if worst is None or not (worst.false_matches or worst.false_non_matches):
        return None
    return {
        "comparison": worst.comparison,
        "threshold": worst.threshold,
        "line": worst.line,
        "false_matches": [_pair(pair) for pair in worst.false_matches],
        "false_non_matches": [_pair(pair) for pair in worst.false_non_matches],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "a": pair.a,
        "b": pair.b,
        "label_a": _end(pair.label_a),
        "label_b": _end(pair.label_b),
        "cosine": f"{pair.cosine:.3f}".replace("-", "−"),
    }


def _end(label: str) -> str:
    """Long names differ at their end."""
    return label if len(label) <= _LONGEST_LABEL else f"…{label[-_LONGEST_LABEL + 1 :]}"


def training_view(report: Report) -> list[dict[str, Any]]:
    """One drawing per quantity, with every run that logged it in the same colour everywhere."""
    curves = report.training.curves if report.training else ()
    runs = list(dict.fromkeys(curve.name for curve in curves))
    quantities = dict[str, list[tuple[Curve, str]]]()
    for curve in curves:
        for series in curve.series:
            quantities.setdefault(series_words(series), []).append((curve, series))
    drawn: list[dict[str, Any]] = []
    for title, chosen in list(quantities.items())[:_MOST_QUANTITIES]:
        styles = [runs.index(curve.name) for curve, _ in chosen]
        svg = series_plot(
            {curve.name: (curve.steps, curve.series[series]) for curve, series in chosen},
            styles=styles,
            name=f"train{len(drawn)}",
            x="step",
            y="",
        )
        lines = [{"style": s, "name": curve.name} for s, (curve, _) in zip(styles, chosen)]
        drawn.append({"title": title, "svg": svg, "lines": lines})
    return drawn


# what a training logs, in words; the label's cross-entropy of a student's own classifier is one
# quantity whatever else a method adds
_SERIES = {
    "loss": "Loss: the sum of all terms",
    "ce": "Cross-entropy of the labels, own classifier",
    "ce-own": "Cross-entropy of the labels, own classifier",
    "ce-shared": "Cross-entropy of the labels, teacher's classifier",
    "kl": "Divergence from the teacher's answers",
    "kl-own": "Divergence from the teacher's answers, own classifier",
    "kl-shared": "Divergence from the teacher's answers, teacher's classifier",
    "kl-primary": "Divergence from the teacher, likely classes",
    "kl-binary": "Divergence from the teacher, likely against other classes",
    "distance": "Distance from the teacher's embeddings",
    "distances": "Distances among pictures, against the teacher's",
    "angles": "Angles among pictures, against the teacher's",
    "eer": "Equal error rate, student alone",
    "cross-space eer": "Equal error rate, teacher's gallery",
}


def series_words(series: str) -> str:
    return _SERIES.get(series, series.replace("_", " "))


def provenance_view(report: Report) -> dict[str, Any]:
    facts = report.provenance.facts()
    versions, recipe = facts.pop("versions"), facts.pop("recipe")
    facts["weight_licence"] = _licence(report.provenance.weight_licence)
    return {
        "facts": [
            (_NAMES.get(key, key.replace("_", " ").capitalize()), _plain(value))
            for key, value in facts.items()
            if value not in (None, "", {}, [])
        ],
        "versions": sorted(versions.items()),
        "recipe": _recipe(recipe),
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
