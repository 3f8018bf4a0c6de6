"""The result of an evaluation as text for people."""

from typing import Any

__all__ = ["text_of"]


def text_of(result: dict[str, Any]) -> str:
    data = result["data"]
    lines = [
        f"{result['protocol']['name']}: {data['images']:,} pictures of {data['subjects']:,} people"
    ]
    lines += _findings(data["findings"], "")
    for model in result["models"]:
        lines += ["", *_model(model)]
    return "\n".join(lines)


def _model(model: dict[str, Any]) -> list[str]:
    result = model["result"]
    lines = [
        f"{model['name']}  ({model['contract']['dim']}-d on {model['provider']},"
        f" sha256 {model['sha256'][:12]})",
        f"  contract   {model['contract_from']}",
    ]
    lines += _acquisition(result["acquisition"])
    if enrolment := result.get("failure_to_enrol"):
        rate = f"FTE {enrolment['rate']:.3%}"
        lines.append(
            f"  templates  {result['templates']:,}, {enrolment['failed']:,} empty ({rate})"
        )
    if "genuine" in result:
        lines += _verification(result)
    for name, search in result.get("identification", {}).items():
        lines += _identification(name, search)
    return lines + _findings(result["findings"], "  ")


def _verification(result: dict[str, Any]) -> list[str]:
    return [
        f"  pairs      {result['genuine']:,} genuine, {result['impostor']:,} impostor",
        *_accuracy(result.get("accuracy")),
        *_equal_error(result),
        *[_tar(point) for point in result["tar"]],
    ]


def _identification(name: str, search: dict[str, Any]) -> list[str]:
    ranks = ", ".join(f"rank-{rank} {share:.3%}" for rank, share in search["ranks"].items())
    lines = [
        f"  {name}: {search['gallery']:,} enrolled; {search['mated']:,} mated and"
        f" {search['non_mated']:,} non-mated searches",
        f"    {ranks}",
    ]
    for point in search["fnir"]:
        if "insufficient" in point:
            reason = point["insufficient"]
            needs = f"{reason['needs']:,} {reason['what']}"
            lines.append(f"    FNIR       insufficient data: needs {needs}")
            continue
        lines.append(
            f"    FNIR@FPIR {point['fpir_target']:g}  {point['fnir']:.3%}"
            f"  [{point['low']:.3%}, {point['high']:.3%}]  above {point['threshold']:.4f}"
        )
    return lines


def _acquisition(acquisition: dict[str, Any]) -> list[str]:
    if not acquisition["failed"]:
        return []
    return [
        f"  failed     {acquisition['failed']:,} of {acquisition['attempted']:,} pictures could not"
        f" be used (FTA {acquisition['rate']:.3%})"
    ]


def _accuracy(accuracy: dict[str, Any] | None) -> list[str]:
    if accuracy is None or "mean" not in accuracy:
        return []
    folds = len(accuracy["accuracies"])
    return [f"  accuracy   {accuracy['mean']:.3%} ± {accuracy['sd']:.3%} over {folds} folds"]


def _equal_error(result: dict[str, Any]) -> list[str]:
    if result["eer"] is None:
        return ["  EER        insufficient data"]
    return [
        f"  EER        {result['eer']:.3%}  [{result['eer_low']:.3%}, {result['eer_high']:.3%}]"
    ]


def _tar(point: dict[str, Any]) -> str:
    label = f"  TAR@{point['fmr']:<7.0e}"
    if "tar" not in point:
        return f"{label}insufficient data: needs {point['needs']:,} impostor comparisons"
    return (
        f"{label}{point['tar']:.3%}  [{point['low']:.3%}, {point['high']:.3%}]"
        f"  above {point['threshold']:.4f}"
    )


def _findings(findings: list[dict[str, Any]], indent: str) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"{indent}{finding['severity'].upper()} {finding['code']}: {finding['what']}")
        lines += [f"{indent}  {example}" for example in finding["examples"][:3]]
    return lines
