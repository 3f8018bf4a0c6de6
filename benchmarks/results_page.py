"""docs/results.md and its plots from the JSON files, and from nothing else.

python benchmarks/results_page.py
"""

import json
import textwrap
from pathlib import Path
from typing import Any

from provenance import RESULTS
from results_bridges import bridges
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
    parts = (_real(), unlabelled(), _rendered(), cifar10(), _digits(), bridges(), evidence())
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


if __name__ == "__main__":
    write_page()
