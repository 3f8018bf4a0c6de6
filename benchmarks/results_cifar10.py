"""The part of docs/results.md on CIFAR-10: who is told apart, and what heads were worth."""

import json
import statistics
import textwrap
from typing import Any

from provenance import RESULTS

__all__ = ["cifar10", "told_of"]

HEAD = """## CIFAR-10

The papers' own kind of experiment: a residual teacher ({teacher:,} parameters), a residual student
({student:,}) with as many features, biased linear heads. {epochs} epochs of {pictures:,} pictures
for everybody, SGD, mirrored and moved by up to three pixels; teacher and students see the same
{views} views of each picture. {judged:,} pictures are judged, {seeds} seeds, one teacher, who names
{known:.2%}. TH-KD and SH-KD: a = {a:g}, α = {alpha:g}, β = {beta:g}, T = {temperature:g}. JPEGs, so
that figures are a little under those of the original.

| method | accuracy | own head | borrowed head | its teacher | cosine to its teacher |
|---|---|---|---|---|---|
"""

PUBLISHED = """No CIFAR-10 figure of the papers is known to us: the authors' code
(Alibaba-MIIL/HeadSharingKD) trains on CIFAR-100. On IJB-C (TAR at 1e-4, MobileFaceNet) SH-KD leads
there with 95.64, before TH-KD and L2E with 95.48 and vanilla with 95.42.
"""


def cifar10() -> str | None:
    path = RESULTS / "classification-cifar10.json"
    if not path.is_file():
        return None
    found = json.loads(path.read_text())
    facts = found["provenance"]
    made = f"`{facts['command']}`, {facts['date'][:10]}, {facts['cores']} cores ({facts['cpu']})."
    return f"{told_of(found)}\n{PUBLISHED}\n{made}\n"


def told_of(found: dict[str, Any]) -> str:
    """What was found, of every method that is through."""
    runs = {name: each for name, each in found["runs"].items() if each}
    some = next(iter(runs.values()))
    known = next((each[0]["teacher"] for name, each in runs.items() if name != "sh-kd"), 0.0)
    head = HEAD.format(
        teacher=found["networks"]["teacher"]["parameters"],
        student=found["networks"]["student"]["parameters"],
        seeds=len(some),
        known=known,
        **{key: found[key] for key in ("epochs", "pictures", "views", "judged")},
        **{key: found["settings"][key] for key in ("a", "alpha", "beta", "temperature")},
    )
    ranked = sorted(found["accuracy"].items(), key=lambda item: -item[1]["mean"])
    rows = "\n".join(_row(name, spread, runs[name]) for name, spread in ranked)
    told = "\n".join(filter(None, (_apart(found["pairs"]), _heads(runs))))
    return f"{head}{rows}\n\n{told}"


def _row(name: str, spread: dict[str, float], runs: list[dict[str, Any]]) -> str:
    keys = ("by own head", "by borrowed head", "teacher")
    shares = [_mean(runs, key) for key in keys]
    told = ["–" if share is None else f"{share:.2%}" for share in shares]
    taught = name not in ("scratch", "proxyless")
    cosine = _mean(runs, "cosine to its teacher") if taught else None
    near = "–" if cosine is None else f"{cosine:.3f}"
    mean = f"{100 * spread['mean']:.2f} ± {100 * spread['sd']:.2f} %"
    cells = [name, mean, *told[:2], told[2] if name != "scratch" else "–", near]
    return f"| {' | '.join(cells)} |"


def _mean(runs: list[dict[str, Any]], key: str) -> float | None:
    known = [run[key] for run in runs if key in run]
    return statistics.fmean(known) if known else None


def _apart(pairs: list[dict[str, Any]]) -> str:
    """Differences in points; the interval is over the judged pictures."""
    if not pairs:
        return ""
    clear = [_pair(one) for one in pairs if one["told_apart"]]
    close = [f"{one['better']} and {one['worse']}" for one in pairs if not one["told_apart"]]
    told = [
        "Told apart (by points, ± the 95 % interval over pictures):"
        f" {'; '.join(clear) or 'nobody'}.",
        f"Not told apart: {'; '.join(close)}." if close else "",
        "Two are told apart if their difference is beyond the chance of the pictures (Holm's bound"
        " over all pairs) and every seed agrees about its sign.",
    ]
    return _wrapped(" ".join(filter(None, told))) + "\n"


def _pair(one: dict[str, Any]) -> str:
    return f"{one['better']} over {one['worse']} {one['points']:.2f} ± {one['half_width']:.2f}"


def _heads(runs: dict[str, list[dict[str, Any]]]) -> str:
    """What the head that SH-KD shares is worth, by whom it is spoken through."""
    if "sh-kd" not in runs or "scratch" not in runs:
        return ""
    first, shaped = _mean(runs["scratch"], "accuracy"), _mean(runs["sh-kd"], "teacher")
    other = next((each for name, each in runs.items() if name not in ("sh-kd", "scratch")), None)
    plain = _mean(other, "teacher") if other else None
    if first is None or shaped is None or plain is None:
        return ""
    return (
        _wrapped(
            f"The head that SH-KD shares names {first:.2%} of the pictures from its first student's"
            f" features, and {shaped:.2%} from those of the shaped teacher; the teacher's"
            f" own head names {plain:.2%}."
        )
        + "\n"
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
