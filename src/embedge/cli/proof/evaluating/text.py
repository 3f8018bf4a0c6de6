"""The result of an evaluation as text for people."""

from collections.abc import Sequence

from embedge.calibration.evaluation.figures import (
    Acquisition,
    AtThreshold,
    Comparison,
    EqualErrorRate,
    Key,
    Side,
    TarPoint,
)
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.evaluation.slices import Slices
from embedge.calibration.identification import IdentificationRates, SearchPoint
from embedge.calibration.tenfold import FoldedAccuracy
from embedge.calibration.trials.result import EvaluationResult, ModelResult, Templates
from embedge.printed import counted
from embedge.report.render.words import bare_percent

__all__ = ["text_of"]


def text_of(result: EvaluationResult) -> str:
    data = result.data
    faces = f"{counted(data.images, 'picture')} of {counted(data.subjects, 'person', 'people')}"
    lines = [f"{result.protocol.name}: {faces}"]
    lines += [f"trained on: {data.trained_on}"] if data.trained_on else []
    lines += _findings(data.findings, "")
    for model in result.models:
        lines += ["", *_model(model)]
    if result.matrix:
        lines += ["", *_matrix([model.side for model in result.models], result.matrix)]
    return "\n".join(lines)


def _matrix(sides: list[Side], matrix: tuple[Comparison, ...]) -> list[str]:
    """The table at the lowest FMR that every cell carries; rows are galleries."""
    cells = {cell.key: cell for cell in matrix}
    carried = [
        number
        for number in range(len(matrix[0].tar))
        if all(cell.tar[number].tar is not None for cell in matrix)
    ]
    if not carried:
        return ["matrix: insufficient data at every FMR"]
    lowest = carried[-1]
    width = max(len(str(side)) for side in sides) + 2
    head = "".join(f"{side!s:>{width}}" for side in sides)
    fmr = matrix[0].tar[lowest].fmr
    lines = [f"TAR@{fmr:.0e}, gallery (row) against probe (column)", " " * width + head]
    for gallery in sides:
        row = [cells[Key(gallery, probe)].tar[lowest].tar for probe in sides]
        lines.append(
            f"{gallery!s:<{width}}" + "".join(f"{_share(share):>{width}}" for share in row)
        )
    return lines


def _model(model: ModelResult) -> list[str]:
    result = model.result
    lines = [
        f"{model.side}  ({model.contract.dim}-d on {model.provider}, sha256 {model.sha256[:12]})",
        f"  contract   {model.contract_from}",
        *_acquisition(result.acquisition),
        *_templates(result.templates),
    ]
    if result.comparison is not None:
        lines += _verification(result.comparison, result.accuracy, result.slices)
    for name, search in (result.identification or {}).items():
        lines += _identification(name, search)
    return lines + _findings(result.findings, "  ")


def _templates(templates: Templates | None) -> list[str]:
    if templates is None:
        return []
    empty = f"{templates.failed:,} empty (FTE {_share(templates.rate)})"
    return [f"  templates  {templates.total:,}, {empty}"]


def _verification(
    found: Comparison, accuracy: FoldedAccuracy | None, slices: Slices | None
) -> list[str]:
    return [
        f"  pairs      {found.genuine:,} genuine, {found.impostor:,} impostor",
        *_accuracy(accuracy),
        _equal_error(found.eer),
        *map(_tar, found.tar),
        *_own_threshold(found.at_threshold),
        *_slices(slices),
    ]


def _own_threshold(at: AtThreshold | None) -> list[str]:
    """What the threshold that came with the model does to these people."""
    if at is None:
        return []
    fmr, fnmr = (_rate(one.rate, one.low, one.high) for one in (at.fmr, at.fnmr))
    return [f"  at its own threshold {at.threshold:.4f}: FMR {fmr}, FNMR {fnmr}"]


def _slices(slices: Slices | None) -> list[str]:
    if slices is None:
        return []
    if slices.needs is not None:
        return [f"  groups     insufficient data: needs {slices.needs:,}"]
    lines = [f"  groups     at the common threshold {slices.threshold:.4f}"]
    for part in slices.slices:
        fmr = _rate(part.fmr, part.fmr_low, part.fmr_high)
        fnmr = _rate(part.fnmr, part.fnmr_low, part.fnmr_high)
        lines.append(f"    {f'{part.label}={part.value}':<20} FMR {fmr}  FNMR {fnmr}")
    lines += [f"    {one.words}" for one in slices.ungrouped]
    return lines + [
        f"    {worst.rate.upper()} of {worst.label}={worst.worst} is at least"
        f" {worst.at_least:.1f} times that of {worst.best}"
        for worst in slices.worst
        if worst.words
    ]


def _rate(rate: float | None, low: float | None, high: float | None) -> str:
    return "no comparison" if rate is None else f"{_share(rate)} [{_share(low)}, {_share(high)}]"


def _identification(name: str, search: IdentificationRates) -> list[str]:
    ranks = ", ".join(f"rank-{rank} {_share(share)}" for rank, share in search.ranks.items())
    return [
        f"  {name}: {search.gallery:,} enrolled; {search.mated:,} mated and"
        f" {search.non_mated:,} non-mated searches",
        f"    {ranks}",
        *map(_search, search.points),
    ]


def _search(point: SearchPoint) -> str:
    if point.needs is not None:
        needs = f"{point.needs:,} searches by {point.of}"
        return f"    FNIR       insufficient data: needs {needs}"
    return (
        f"    FNIR@FPIR {point.fpir_target:g}  {_share(point.fnir)}"
        f"  [{_share(point.low)}, {_share(point.high)}]  above {point.threshold:.4f}"
    )


def _acquisition(acquisition: Acquisition) -> list[str]:
    if not acquisition.failed:
        return []
    return [
        f"  failed     {acquisition.failed:,} of {acquisition.attempted:,} pictures could not"
        f" be used (FTA {_share(acquisition.rate)})"
    ]


def _accuracy(accuracy: FoldedAccuracy | None) -> list[str]:
    if accuracy is None:
        return []
    folds = len(accuracy.accuracies)
    mean, sd = _share(accuracy.mean), _share(accuracy.sd)
    return [f"  accuracy   {mean}, standard deviation {sd} over {folds} folds"]


def _equal_error(found: EqualErrorRate | None) -> str:
    if found is None:
        return "  EER        insufficient data"
    return f"  EER        {_share(found.rate)}  [{_share(found.low)}, {_share(found.high)}]"


def _tar(point: TarPoint) -> str:
    label = f"  TAR@{point.fmr:<7.0e}"
    if point.needs is not None:
        return f"{label}{point.lacks}"
    return (
        f"{label}{_share(point.tar)}  [{_share(point.low)}, {_share(point.high)}]"
        f"  above {point.threshold:.4f}{_few(point)}"
    )


def _few(point: TarPoint) -> str:
    """The rule of 30 (ISO/IEC 19795-1), where a rate rests on less."""
    if not point.few:
        return ""
    return (
        f"  on {point.false_matches} false matches and {point.false_non_matches} false non-matches"
    )


def _share(share: float | None) -> str:
    """Three digits, or as many as keep 99.9999 % from being all."""
    return "–" if share is None else f"{bare_percent(share, 3)}%"


def _findings(findings: Sequence[DataFault], indent: str) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"{indent}{finding.severity.upper()} {finding.code}: {finding.what}")
        lines += [f"{indent}  {example}" for example in finding.examples[:3]]
    return lines
