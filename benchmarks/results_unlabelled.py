"""The part of docs/results.md on learning without names: who, how fast, and how it went on."""

import json
import statistics
import textwrap
from pathlib import Path
from typing import Any

from provenance import RESULTS

from embedge.files import whole_file
from embedge.pipeline.compare.comparison_table import table
from embedge.pipeline.compare.result import MethodsComparison

__all__ = ["unlabelled"]

NAME = "methods-unlabelled"

HEAD = """## Faces without names

The recipe `unlabelled`: `w600k_mbf.onnx` is asked for embeddings and nothing else, a MobileFaceNet
of scale 1 begins at random and learns from `utk` and four fifths of LFW's development part, none of
whom has a name. {held_out} other people are judged, {people} of them on several pictures:
{genuine:,} genuine and {impostor:,} impostor pairs. Steps were given so that a training takes
{minutes:g} minutes of two cores with nothing else on them; asking the teacher about every
picture and its mirror image comes before that.

"""

LEVERS = """
What a change of the recipe brings in {minutes:g} minutes of the same kind of machine, each with as
many steps as it takes in that time (`{command}`); points of cross-space TAR at {fmr}.

| change | steps | cross-space | student alone | against the recipe |
|---|---|---|---|---|
"""


def unlabelled(docs: Path) -> str | None:
    if not (calls := _calls()):
        return None
    found = calls[0]
    recipe, run = found["recipe"], _runs(found)[0]
    judged = run["cross-space"]
    head = HEAD.format(minutes=found["minutes"], held_out=recipe["data"]["held_out"], **judged)
    _plot(calls, docs / "images" / f"{NAME}.svg")
    parts = [part for call in calls for part in _of_call(call)]
    parts += [_every_seed(calls)] if len(calls) > 1 else []
    parts += [f"![Cosine to the teacher against minutes](images/{NAME}.svg)"]
    return head + "\n\n".join(parts) + "\n" + (_levers() or "")


def _calls() -> list[dict[str, Any]]:
    """Of every seed, where they were measured with one recipe in equal minutes."""
    first, later = _read(NAME), sorted(RESULTS.glob(f"{NAME}-from-*.json"))
    if first is None:
        return []
    read = [json.loads(path.read_text()) for path in later]
    return [first, *(one for one in read if _asked(one) == _asked(first))]


def _asked(found: dict[str, Any]) -> list[Any]:
    """All but the steps, which are as many as the machine took in the minutes."""
    said = json.loads(json.dumps(found["recipe"]))
    said["student"]["train"].pop("steps")
    return [said, found["minutes"], found["pictures_of_utk"], found["kernels"]]


def _of_call(found: dict[str, Any]) -> list[str]:
    facts, result = found["provenance"], MethodsComparison.from_json(found)
    made = f"`{facts['command']}`, {facts['date'][:10]}, {facts['cores']} cores ({facts['cpu']})."
    fmrs = [table(result, fmr) for fmr in found["recipe"]["evaluate"]["fmrs"]]
    return [*fmrs, _pace(found), *_others(found["others"], found["seeds"]), made]


def _every_seed(calls: list[dict[str, Any]]) -> str:
    """Their spread; each call's table has the interval over people."""
    runs = [run for call in calls for run in _runs(call)]
    fmrs = calls[0]["recipe"]["evaluate"]["fmrs"]
    lines = ["| FMR | cross-space | student alone |", "|---|---|---|"]
    for fmr in fmrs:
        cells = [
            _over_seeds([run[metric]["tar"][f"{fmr:g}"] for run in runs])
            for metric in ("cross-space", "student")
        ]
        lines.append(f"| {fmr:g} | {' | '.join(cells)} |")
    return f"All {len(runs)} seeds, mean ± standard deviation (lowest):\n\n" + "\n".join(lines)


def _over_seeds(tars: list[float]) -> str:
    return f"{statistics.fmean(tars):.1%} ± {100 * statistics.stdev(tars):.1f} ({min(tars):.1%})"


def _read(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _runs(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [run for method in found["methods"].values() for run in method["runs"]]


def _pace(found: dict[str, Any]) -> str:
    train, pace = found["recipe"]["student"]["train"], found["pace"]["seconds_a_step"]
    minutes = [f"{one['minutes']:.0f}" for one in found["trainings"]]
    told = (
        f"{train['steps']:,} steps of {train['batch']} pictures, {1000 * pace:.0f} ms each"
        f" ({train['batch'] / pace:.0f} pictures a second) when that was measured. By the clock"
        f" they took {' and '.join(minutes)} minutes, whatever else the machine did, from where a"
        " stopped training went on."
    )
    return textwrap.fill(told, 100)


def _others(others: dict[str, Any], seeds: list[int]) -> list[str]:
    return [
        f"Judged on all people of `{name}`:\n\n{_rows(one, seeds)}" for name, one in others.items()
    ]


def _rows(judged: dict[str, Any], seeds: list[int]) -> str:
    fmrs = list(judged["teacher"]["tar"])
    head = f"| | {' | '.join(f'FMR {fmr}' for fmr in fmrs)} |\n|---|{'---|' * len(fmrs)}"
    lines = [_row("teacher alone", judged["teacher"]["tar"])]
    for seed, one in zip(seeds, judged["students"]):
        lines.append(_row(f"seed {seed}, cross-space", one["cross-space"]["tar"]))
        lines.append(_row(f"seed {seed}, student alone", one["student"]["tar"]))
    return "\n".join([head, *lines])


def _row(name: str, tars: dict[str, float | None]) -> str:
    cells = ["" if tar is None else f"{tar:.1%}" for tar in tars.values()]
    return f"| {name} | {' | '.join(cells)} |"


def _levers() -> str | None:
    found = _read("levers")
    if found is None:
        return None
    key = f"{found['recipe']['evaluate']['gate_fmr']:g}"
    if "the recipe" not in found["levers"]:  # nothing to hold them against yet
        return None
    reference = found["levers"]["the recipe"]["cross-space"][key]
    lines = []
    for name, one in sorted(found["levers"].items(), key=lambda item: -item[1]["cross-space"][key]):
        tar = one["cross-space"][key]
        gain = "" if name == "the recipe" else f"{100 * (tar - reference):+.1f}"
        lines.append(
            f"| {name} | {one['steps']:,} | {tar:.1%} | {one['student'][key]:.1%} | {gain} |"
        )
    command = found["levers"]["the recipe"]["provenance"]["command"]
    head = LEVERS.format(minutes=found["minutes"], command=command, fmr=f"FMR {key}")
    return f"{head}{chr(10).join(lines)}\n"


def _plot(calls: list[dict[str, Any]], path: Path) -> None:
    """The distance to the teacher's embedding, of the pictures that are learnt from, by minutes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(7.2, 3.2), layout="constrained")
    FigureCanvasSVG(drawing)
    axes = drawing.add_subplot()
    trainings = [
        (seed, training, found["pace"]["seconds_a_step"])
        for found in calls
        for seed, training in zip(found["seeds"], found["trainings"])
    ]
    for seed, training, pace in trainings:
        minutes = [step * pace / 60 for step in training["curve"]["step"]]
        axes.plot(minutes, training["curve"]["cosine"], label=f"seed {seed}")
    axes.set_xlabel("minutes of two cores, by the measured pace")
    axes.set_ylabel("cosine while learning")
    axes.grid(linewidth=0.4, alpha=0.5)
    drawing.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    with mpl.rc_context({"svg.hashsalt": "embedge"}), whole_file(path) as part:
        drawing.savefig(part, format="svg", metadata={"Date": None})
