"""docs/results.md and its plots from the JSON files, and from nothing else.

python benchmarks/results_page.py
"""

import json
import textwrap
from pathlib import Path
from typing import Any

from provenance import RESULTS
from results_cifar10 import cifar10
from results_evidence import evidence
from results_unlabelled import unlabelled

from embedge.files import write_text
from embedge.pipeline.compare.comparison_table import legend, table, verdict
from embedge.report.render.methods_plot import methods_plot

DOCS = Path(__file__).parents[1] / "docs"

HEAD = """# Results of the methods

Written by `python benchmarks/results_page.py` from the files in `benchmarks/results`. Cross-space
is the question that matters: a gallery that the teacher enrolled, probes from the student. All
figures are on people nobody learnt from; a TAR is that of the strictest threshold whose FMR is not
above the one named.
"""

REAL = """Teacher `w600k_mbf.onnx`, which has no classifier: class centres are recovered. Student:
MobileFaceNet of scale 1 in 512 dimensions. LFW (the development part) split by identity: 590 people
are only judged on; the others are learnt from, and 50 synthetic people beside them. Whether the
teacher itself was trained on some of all these people is not known.
"""

FEW = """
250 steps are two views of each picture: this is who learns fastest, not who ends highest.
"""

EARLY = """Students of a quarter of the width, far from their end, and all under the same terms.
Their rate was chosen by how fast TH-KD learns with it
([note 0019](notes/0019-filters-begin-by-what-they-read.md)); other methods may want another. In
SH-KD the teacher is shaped to the head of a student from scratch, who is no better here than the
row `scratch` says.

"""

SLICED = """As many steps of TH-KD, but the student begins as a slice of the teacher
(`student.start: teacher`, [note 0018](notes/0018-a-student-begins-as-a-slice.md)) and has a
quarter of the learning rate.

"""

LONGER = """More steps of TH-KD, and an average of the weights: from a slice of the teacher, and
from a random start with four times the rate.

"""


def write_page() -> None:
    parts = (_real(), unlabelled(), _rendered(), cifar10(), _digits(), _bridges(), evidence())
    sections = [HEAD, *filter(None, parts)]
    write_text(DOCS / "results.md", "\n".join(sections))
    print(f"written: {DOCS / 'results.md'}")


def _read(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _real() -> str | None:
    found = _read("methods-real")
    if found is None:
        return None
    parts = ["## Real faces\n\n" + REAL]
    if "compared" in found:
        parts.append(_compared("methods-real", found["compared"]) + FEW)
    if "sliced" in found:
        parts.append("### From a slice of the teacher\n\n" + SLICED + _one_each(found["sliced"]))
    if "long" in found:
        parts.append("### For longer\n\n" + LONGER + _one_each(found["long"]))
    return "\n".join(parts)


def _one_each(found: dict[str, Any]) -> str:
    """One student or two: a table says it without a plot."""
    run = next(iter(found["methods"].values()))["runs"][0]["student"]
    pairs = f"{run['genuine']:,} genuine and {run['impostor']:,} impostor pairs"
    return f"{_run_of(found)}\n{pairs}.\n"


def _rendered() -> str | None:
    found = _read("methods-rendered")
    if found is None:
        return None
    return "## Rendered faces\n\n" + EARLY + _compared("methods-rendered", found)


def _compared(name: str, found: dict[str, Any]) -> str:
    recipe = found["recipe"]
    schedule, runs = recipe["student"]["train"], next(iter(found["methods"].values()))["runs"]
    seeds = len(found["seeds"])
    told = (
        f"{schedule['steps']} steps of {schedule['batch']} pictures for every method,"
        f" {seeds} seed{'s' * (seeds != 1)}, {runs[0]['student']['genuine']:,} genuine and"
        f" {runs[0]['student']['impostor']:,} impostor pairs.\n\n"
    )
    fmr = recipe["evaluate"]["gate_fmr"]
    methods_plot(found, fmr, DOCS / "images" / f"{name}.svg")
    words = f"{_wrapped(verdict(found, fmr))}\n\n{_wrapped(legend(found))}\n"
    return told + _run_of(found) + "\n" + words + f"\n![TAR by method](images/{name}.svg)\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _run_of(found: dict[str, Any]) -> str:
    wanted = found["recipe"]["evaluate"]["gate_fmr"]
    facts = found["provenance"]
    made = f"`{facts['command']}`, {facts['date'][:10]}, {facts['cores']} cores ({facts['cpu']})."
    steps = found["recipe"]["student"]["train"]["steps"]
    return f"{table(found, wanted)}\n\n{steps} steps. {made}\n"


def _digits() -> str | None:
    found = _read("classification-digits")
    if found is None:
        return None
    rows = sorted(found["accuracy"].items(), key=lambda item: -item[1]["mean"])
    lines = [f"| {n} | {100 * s['mean']:.2f} ± {100 * s['sd']:.2f} % |" for n, s in rows]
    return (
        "## Plain classification\n\nThe same mechanism with biased linear heads, on scikit-learn's"
        f" digits: {found['learn']} pictures to learn from, {found['seeds']} seeds\n"
        f"(`{found['provenance']['command']}`).\n\n| method | accuracy |\n|---|---|\n"
        + "\n".join(lines)
        + "\n"
    )


BRIDGES = """A gallery of one network carried to another by `embedge bridge`, probes from the new:
fitted on {unlabelled:,} faces of nobody in particular (`utk`), judged on all pairs of {images:,}
pictures of LFW's development part. "kept" is the share of the weaker network's own TAR. The
constants of the method were chosen on a third of these people; the last column leaves that third
out. The interval is that of the TAR over people ({rounds}
rounds).

| gallery > probe | FMR | old alone | new alone | across the bridge | kept | goal | others: kept |
|---|---|---|---|---|---|---|---|
"""

DECOYS = """
Old models that are none, {pictures} pictures to fit on, a third of the people to judge on. A
verdict of no leaves no map. A network fed with the wrong colours still recognises, so little in
its embeddings betrays it: given as an ONNX file it is refused before the fit (`E-BRIDGE-FEEDING`,
on 600 pictures the right colours are foretold better by 0.019 of cosine, 19 standard errors); as
a matrix only what its bridge loses tells.

| old model | finds its own picture | with labelled people | without | why |
|---|---|---|---|---|
"""


COVERAGE = """
Does the threshold of bridged templates hold its FMR on other people? A third (FMR 1e-3) or half
(1e-4) of LFW's people fix it, the others are judged, again and again: how often their FMR is over
the target and the median of it, for templates as they are and for those drawn to their person's
mean. The others are a sample as well, so that a bound of 95 % is exceeded more often than in 5 % of
splits. Beside it what the bridge keeps (all people, at
1e-3 / 1e-4 / 1e-5), and TAR between people who have several pictures enrolled, each template as it
is, drawn to its person's mean (which `gallery migrate` does), and native
(`{command}`).

| gallery > probe | kept | over 1e-3 | over 1e-4 | each | drawn | native |
|---|---|---|---|---|---|---|
"""

MIGRATION = """
`embedge gallery migrate` with {templates:,} people of one template ({rows}, {old_dim} to {new_dim}
dimensions, a kernel map of 1,500 centres):

| | seconds of processor time | of the clock |
|---|---|---|
"""


def _bridges() -> str | None:
    found = _read("bridge")
    if found is None:
        return None
    rows = [row for name, pair in found["pairs"].items() for row in _bridge_rows(name, pair)]
    facts = found["provenance"]
    made = f"`{facts['command']}`, {facts['date'][:10]}, {facts['cores']} cores ({facts['cpu']})."
    seconds = [pair["fit"]["cpu_seconds"] for pair in found["pairs"].values()]
    told = f"\nA fit took {min(seconds):.0f} to {max(seconds):.0f} s of processor time. {made}\n"
    parts = ["## Changing the model\n\n", BRIDGES.format(**found), "\n".join(rows), "\n", told]
    parts += ["\n", _promises(found["pairs"])]
    if "decoys" in found:
        parts.append(_decoys(found["decoys"]))
    parts += [told for told in (_coverage(), _migration()) if told]
    return "".join(parts)


def _coverage() -> str | None:
    found = _read("bridge_coverage")
    if found is None:
        return None
    lines = []
    for name, pair in found["pairs"].items():
        cells = [_over(pair["coverage"].get(fmr)) for fmr in ("0.001", "0.0001")]
        several = pair["several pictures"]
        kinds = ("each picture", "each drawn to the mean", "native, each picture")
        tars = [" / ".join(f"{tar:.1%}" for tar in several[kind]) for kind in kinds]
        kept = " / ".join(f"{share:.2%}" for share in pair["kept"])
        lines.append(f"| {name} | {kept} | {' | '.join([*cells, *tars])} |")
    return COVERAGE.format(**found["provenance"]) + "\n".join(lines) + "\n"


def _over(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    each, drawn = found["as they are"], found["drawn"]
    medians = f"{each['median_fmr']:.1e} and {drawn['median_fmr']:.1e}"
    return (
        f"{each['over_target']:.0%} and {drawn['over_target']:.0%} of {found['splits']} splits"
        f" (due: {found['expected']:.1%}); median {medians}"
    )


def _migration() -> str | None:
    found = _read("migrate")
    if found is None:
        return None
    steps = ("migrate", "open anew", "go back", "forget the old ones")
    lines = [
        f"| {step} | {found[step]['cpu_seconds']:.0f} | {found[step]['seconds']:.0f} |"
        for step in steps
        if step in found
    ]
    return MIGRATION.format(**found) + "\n".join(lines) + f"\n\n{_made(found)}\n"


def _made(found: dict[str, Any]) -> str:
    facts = found["provenance"]
    return f"`{facts['command']}`, {facts['date'][:10]}, {facts['cores']} cores ({facts['cpu']})."


def _bridge_rows(name: str, pair: dict[str, Any]) -> list[str]:
    points, bridged = pair["labelled"]["points"], pair["labelled"]["bridged"]
    others = dict(zip(pair["rest"]["fmr"], pair["rest"]["kept"], strict=True))
    lines = []
    for point, tar in zip(points, bridged, strict=True):
        goal = f"{point['goal']:.1%}" if point["goal"] else ""
        rest = f"{others[point['fmr']]:.2%}" if point["fmr"] in others else ""
        lines.append(
            f"| {name} | {point['fmr']:.0e} | {point['old']:.2%} | {point['new']:.2%}"
            f" | {tar['tar']:.2%} ({tar['low']:.2%} – {tar['high']:.2%}) | {point['kept']:.2%}"
            f" | {goal} | {rest} |"
        )
    return lines


def _promises(pairs: dict[str, Any]) -> str:
    lines = [
        "| gallery > probe | map | verdict | without labels | kept of the new model's own at 1e-4:"
        " promised without labels, true | its own threshold: FMR on other people |"
        " threshold of unlabelled strangers: FMR, TAR | attacker's rank 1 (native) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, pair in pairs.items():
        point = next(p for p in pair["labelled"]["points"] if p["fmr"] == 1e-4)
        promise = next(p for p in pair["agreement"]["promises"] if p["fmr"] == 1e-4)
        other = pair["labelled"]["on_other_people"]["fmr"]
        strict = pair["unlabelled_threshold"]
        lines.append(
            f"| {name} | {pair['fit']['kind']} | {pair['verdict']['decision']}"
            f" | {pair['verdict_without_labels']['decision']} | {promise['kept']:.1%},"
            f" {point['bridged'] / point['new']:.1%} | {other['rate']:.1e}"
            f" ({other['low']:.1e} – {other['high']:.1e}) | {strict['fmr_on_lfw']:.1e},"
            f" {strict['tar_on_lfw']:.1%} | {pair['attack']['rank1']:.1%}"
            f" ({pair['attack']['native']:.1%}) |"
        )
    return "\n".join(lines) + "\n"


def _decoys(found: dict[str, Any]) -> str:
    lines = [
        f"| {name} | {decoy['rank1']:.1%} | {decoy['verdict']['decision']}"
        f" | {decoy['without_labels']['decision']} | {decoy['verdict']['reasons'][0]} |"
        for name, decoy in found.items()
    ]
    return DECOYS.format(pictures="some 3,000") + "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_page()
