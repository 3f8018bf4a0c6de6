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
    if result.get("matrix"):
        lines += ["", *_matrix(result["matrix"])]
    return "\n".join(lines)


def _matrix(matrix: dict[str, Any]) -> list[str]:
    """The table at the lowest FMR that every cell carries; rows are galleries."""
    carried = [part for part in matrix["tar"] if _carried(part["table"])]
    if not carried:
        return ["matrix: insufficient data at every FMR"]
    names, part = matrix["models"], carried[-1]
    width = max(map(len, names)) + 2
    head = "".join(f"{name:>{width}}" for name in names)
    lines = [f"TAR@{part['fmr']:.0e}, gallery (row) against probe (column)", " " * width + head]
    for name, row in zip(names, part["table"]):
        lines.append(f"{name:<{width}}" + "".join(f"{share:>{width}.3%}" for share in row))
    return lines


def _carried(table: list[list[float | None]]) -> bool:
    return all(share is not None for row in table for share in row)


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
        *_own_threshold(result["at_threshold"]),
        *_slices(result.get("slices")),
    ]


def _own_threshold(at: dict[str, Any] | None) -> list[str]:
    """What the threshold that came with the model does to these people."""
    if at is None or "insufficient" in at:
        return []
    fmr, fnmr = (
        f"{at[rate]['rate']:.3%} [{at[rate]['low']:.3%}, {at[rate]['high']:.3%}]"
        for rate in ("fmr", "fnmr")
    )
    return [f"  at its own threshold {at['threshold']:.4f}: FMR {fmr}, FNMR {fnmr}"]


def _slices(slices: dict[str, Any] | None) -> list[str]:
    if slices is None:
        return []
    if "insufficient" in slices:
        return [f"  groups     insufficient data: needs {slices['insufficient']['needs']:,}"]
    lines = [f"  groups     at the common threshold {slices['threshold']:.4f}"]
    for part in slices["slices"]:
        name = f"{part['label']}={part['value']}"
        lines.append(f"    {name:<20} FMR {_rate(part, 'fmr')}  FNMR {_rate(part, 'fnmr')}")
    for worst in slices["worst"]:
        if worst["at_least"] is not None and worst["at_least"] > 1:
            lines.append(
                f"    {worst['rate'].upper()} of {worst['label']}={worst['worst']} is at least"
                f" {worst['at_least']:.1f} times that of {worst['best']}"
            )
    return lines


def _rate(part: dict[str, Any], rate: str) -> str:
    if part[rate] is None:
        return "no comparison"
    return f"{part[rate]:.3%} [{part[f'{rate}_low']:.3%}, {part[f'{rate}_high']:.3%}]"


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
