"""The report of `embedge evaluate`: curves, histograms, the heat map of a matrix, groups."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from embedge.calibration.evaluation.faces import Faces
from embedge.calibration.evaluation.tests import Measured
from embedge.calibration.evaluation.worst import worst_pairs
from embedge.report.render.pictures import worst_section
from embedge.report.schema import SCHEMA
from embedge.runtime.contract import EmbeddingContract

__all__ = ["report_from_evaluation", "worst_of"]

_NOT_OF_A_COMPARISON = {"slices", "accuracy", "acquisition", "findings"}
_WORST_SHOWN = 10
_PACKAGES = ("embedge", "numpy", "onnxruntime", "pillow")


def report_from_evaluation(result: Mapping[str, Any], command: str) -> dict[str, Any]:
    """A whole report; its gates say whether the data can be trusted."""
    models, data = result["models"], result["data"]
    gates = [_faults(data["findings"], "the data")]
    gates += [_faults(model["result"]["findings"], model["name"]) for model in models]
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "title": f"{', '.join(model['name'] for model in models)}: {result['protocol']['name']}",
        "command": command,
        "verdict": {"passed": all(gate["passed"] for gate in gates), "gates": gates},
        "evaluation": {
            "dataset": {
                "name": result["protocol"].get("file") or result["protocol"]["name"],
                "fingerprint": data["fingerprint"],
                "identities": data["subjects"],
                "images": data["images"],
                "people": _people(data),
            },
            "comparisons": _comparisons(result),
            "slices": list(_slices(models)),
            "slice_ratios": list(_ratios(models)),
        },
        "provenance": {
            "versions": {name: version(name) for name in _PACKAGES},
            "data_fingerprint": data["fingerprint"],
            **{f"model {model['name']}": _source(model) for model in models},
        },
    }


def worst_of(
    name: str, measured: Measured, faces: Faces, contract: EmbeddingContract
) -> dict[str, Any]:
    """The closest strangers and the most unlike pictures of one person, for one model."""
    worst = worst_pairs(measured.scores, _WORST_SHOWN)
    numbers = np.flatnonzero(measured.rows.acquired)  # scores count the faces that were embedded
    return worst_section(
        worst.impostors,
        worst.genuines,
        comparison=name,
        threshold=_line(measured),
        label=lambda row: faces.names[numbers[row]],
        picture=lambda row: faces.crop(numbers[row], contract),
    )


def _line(measured: Measured) -> float | None:
    """The model's own threshold, or that of the lowest FMR that these people carry."""
    result = measured.comparison.to_json()
    if (own := result["at_threshold"]) and "threshold" in own:
        return float(own["threshold"])
    carried = [point["threshold"] for point in result["tar"] if "tar" in point]
    return float(carried[-1]) if carried else None


def _faults(findings: Sequence[Mapping[str, Any]], where: str) -> dict[str, Any]:
    errors = [finding for finding in findings if finding["severity"] == "error"]
    told = "; ".join(finding["what"] for finding in errors) or "no leak, contradiction or shuffle"
    return {
        "name": f"faults: {where}",
        "what": f"faults that spoil the figures ({told})",
        "value": float(len(errors)),
        "bound": 0.0,
        "direction": "max",
        "unit": "",
        "passed": not errors,
    }


def _people(data: Mapping[str, Any]) -> str:
    leaks = any(finding["code"] == "leaking-split" for finding in data["findings"])
    if data["trained_on_known"] and not leaks:
        return "people who are not on the list of those trained on"
    return "people of whom some were trained on" if leaks else "the people given"


def _comparisons(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each model alone, then every pair of two models that the matrix adds."""
    alone = [model["result"] for model in result["models"] if "genuine" in model["result"]]
    own = [
        {key: value for key, value in one.items() if key not in _NOT_OF_A_COMPARISON}
        for one in alone
    ]
    matrix = (result.get("matrix") or {}).get("comparisons", [])
    drifts = {one["name"]: one["drift"] for one in matrix if one["gallery"] == one["probe"]}
    for one in own:
        one["drift"] = drifts.get(one["name"])
    return own + [one for one in matrix if one["gallery"] != one["probe"]]


def _slices(models: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for prefix, slices in _sliced(models):
        for part in slices["slices"]:
            yield {**part, "label": prefix + part["label"]}


def _ratios(models: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The worst group beside the best, where chance does not explain the difference."""
    for prefix, slices in _sliced(models):
        for worst in slices["worst"]:
            if worst["at_least"] is not None and worst["at_least"] > 1:
                yield (
                    f"{prefix}{worst['rate'].upper()} of {worst['label']} {worst['worst']} is at"
                    f" least {worst['at_least']:.1f} times that of {worst['best']}."
                )


def _sliced(models: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for model in models:
        slices = model["result"].get("slices")
        if slices and "slices" in slices:
            yield (f"{model['name']}, " if len(models) > 1 else ""), slices


def _source(model: Mapping[str, Any]) -> str:
    return f"sha256 {model['sha256']}, on {model['provider']}; contract: {model['contract_from']}"
