"""The part of docs/results.md on bridges from and to students of our own."""

from typing import Any

__all__ = ["bridge_rows", "students_told"]

STUDENTS = """
### Students of our own

{networks}

Fitted on {pictures} pictures spread evenly over `utk` (`{command}`),
judged in the same way, but only on people of LFW whom no network of the pair learnt from. The first
column counts them; an FMR that so few cannot carry has no line. `unlabelled` has
learnt from the pictures that the map is fitted on, so that the map is fitted on better embeddings
than it meets at the door.

| gallery > probe | FMR | old alone | new alone | across the bridge | kept | goal | others: kept |
|---|---|---|---|---|---|---|---|
"""

VERDICTS = """

| gallery > probe | map | cosine | finds its own picture | verdict | without labels | why |
|---|---|---|---|---|---|---|
"""

# what each network of ours is, by the name that `--network` gave it
OURS = {
    "unlabelled": "a MobileFaceNet of scale 1 from a random start, the first seed of"
    " `benchmarks/unlabelled.py` (`benchmarks/bridge_students.py`): it learnt embeddings of"
    " `w600k_mbf` on `utk` and four fifths of `lfw-dev`",
    "demo": "the student of `make demo`, which saw rendered faces only",
}


def bridge_rows(name: str, pair: dict[str, Any]) -> list[str]:
    tars = {tar["fmr"]: tar for tar in pair["labelled"]["bridged"]}
    others = dict(zip(pair["rest"]["fmr"], pair["rest"]["kept"], strict=True))
    lines = []
    for point in pair["labelled"]["points"]:
        tar = tars[point["fmr"]]
        goal = f"{point['goal']:.1%}" if point["goal"] else ""
        rest = f"{others[point['fmr']]:.2%}" if point["fmr"] in others else ""
        lines.append(
            f"| {name} | {point['fmr']:.0e} | {point['old']:.2%} | {point['new']:.2%}"
            f" | {tar['tar']:.2%} ({tar['low']:.2%} – {tar['high']:.2%}) | {point['kept']:.2%}"
            f" | {goal} | {rest} |"
        )
    return lines


def students_told(found: dict[str, Any]) -> str:
    rows = [
        row
        for name, pair in found["pairs"].items()
        for row in bridge_rows(f"{name} ({pair['people']})", pair)
    ]
    networks = "\n".join(
        f"* `{name}` ({one['dim']} dimensions): {OURS[name]}."
        for name, one in found["networks"].items()
        if any(name in pair.split(" > ") for pair in found["pairs"])
    )
    verdicts = "\n".join(
        f"| {name} | {pair['fit']['kind']} | {pair['fit']['cosine']:.3f}"
        f" | {pair['agreement']['rank1']:.1%} | {pair['verdict']['decision']}"
        f" | {pair['verdict_without_labels']['decision']} | {pair['verdict']['reasons'][0]} |"
        for name, pair in found["pairs"].items()
    )
    pairs = found["pairs"].values()
    counts = sorted({pair["fit"]["pictures"] for pair in pairs})
    told = STUDENTS.format(
        networks=networks,
        pictures=" or ".join(f"{count:,}" for count in counts),
        command=next(iter(pairs))["provenance"]["command"].partition(" --part")[0],
    )
    return told + "\n".join(rows) + VERDICTS + verdicts + "\n"
