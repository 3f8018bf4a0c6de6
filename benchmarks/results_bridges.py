"""The part of docs/results.md on bridges: what they keep, verdicts, thresholds, migrations."""

import json
from typing import Any

from provenance import RESULTS
from results_bridge_students import bridge_rows, students_told

__all__ = ["bridges"]

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
Old models that are none, given as matrices: {pictures} pictures to fit on, a third of the people to
judge on. A verdict of no leaves no map. A network fed with the wrong colours still recognises, so
little in its embeddings betrays it: of a matrix only what its bridge loses tells, and the report
says that how it was fed was not checked.

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
(`{command}`; each map
was fitted once, in {fits} s of processor time, and tried in {tries} s).

| gallery > probe | kept | over 1e-3 | over 1e-4 | each | drawn | native |
|---|---|---|---|---|---|---|
"""

REACHED = """
Of the {cells} goals (pairs × FMR) **{met} are met**; on the people no constant was chosen on,
{others} of {cells}; if the TAR across the bridge is taken at the lower end of its interval, {sure}
of {cells}. Missed: {missed}.
What was tried for the rest and brought no more (softer, stiffer and other kernels, more centres,
weights on pictures, other aims, a small network in the place of the map, scores normed by a cohort)
is listed with its figures in [ADR 0090](decisions/0090-bridges-in-closed-form.md). Past some
thousands, more pictures of the same kind bring little, as the table of sizes below shows; several
pictures of a person bring more, as that of coverage does.
"""

FEEDING = """
Given as networks, both are tried in other ways before the fit, whatever they state: red and blue
swapped, cut to a side, closer or wider (`E-BRIDGE-FEEDING`). Refused is a network that the other
one foretells better in another way, by more than 0.005 of cosine and four standard errors, unless
its pictures are told apart less so. On
{pictures} pictures (`{command}`), of {right} rightly fed
networks {accused} were refused; the most that any other way gained was {most:+.3f} of cosine
({way}). One was fed wrongly on purpose, beside each of the others:

| fed | beside | refused, and best | gain of cosine | standard errors | the other one accused |
|---|---|---|---|---|---|
"""

DEMO = """
The demo's teacher and its student (`{command}`, {pictures:,} pictures to fit on, {people} other
people): {decision}, "{reason}"; cosine {cosine:.3f}. A kernel map by force keeps {forced} of
the student's own TAR at 1e-2 / 1e-3, no map {none}.
"""

SIZES = """
How many pictures a bridge takes: kept of the weaker network's own TAR at 1e-3 / 1e-4 / 1e-5, on
{people} people nothing was chosen on (`{command}`).

| gallery > probe |{heads}
|---|{rules}
"""

GALLERY = """
A gallery of real people (`{command}`): {people} of `lfw-dev`,
one picture each enrolled under {old}, carried to {new} ({kind} map). {visits:,} other
pictures of theirs ask who they are, and {strangers:,} of strangers; thresholds are for FMR 1e-4,
fixed on these strangers.

| gallery | right | wrong person | strangers taken for somebody |
|---|---|---|---|
"""

RENEWED = """
After every second picture was a visit with another factor, {natives} of {people} people have a
native template. Without another factor and without a native template {alone} were renewed, which is
meant: the bridge's mistakes would else become templates.
"""

MIGRATION = """
`embedge gallery migrate` with {templates:,} people of one template ({rows}, {old_dim} to {new_dim}
dimensions, a kernel map of 1,500 centres):

| | seconds of processor time | of the clock |
|---|---|---|
"""


def bridges() -> str | None:
    found = _read("bridge")
    if found is None:
        return None
    rows = [row for name, pair in found["pairs"].items() for row in bridge_rows(name, pair)]
    made = _made(found)
    seconds = [pair["fit"]["cpu_seconds"] for pair in found["pairs"].values()]
    told = f"\nA fit took {min(seconds):.0f} to {max(seconds):.0f} s of processor time. {made}\n"
    parts = ["## Changing the model\n\n", BRIDGES.format(**found), "\n".join(rows), "\n", told]
    parts += [_reached(found["pairs"]), "\n", _promises(found["pairs"])]
    if "decoys" in found:
        parts.append(_decoys(found["decoys"]))
    asked = (_feeding(), _demo(), _coverage(), _sizes(), _migration(), _gallery())
    parts += [told for told in asked if told]
    if found["students"]["pairs"]:
        parts.append(students_told(found["students"]))
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
        tars = [_shares(several[kind], 1) for kind in kinds]
        lines.append(f"| {name} | {_shares(pair['kept'])} | {' | '.join([*cells, *tars])} |")
    pairs = list(found["pairs"].values())
    told = {
        "command": pairs[0]["provenance"]["command"].partition(" --pair")[0],
        "fits": _range([pair["facts"]["cpu_seconds"] for pair in pairs]),
        "tries": _range([pair["cpu_seconds"] for pair in pairs]),
    }
    return COVERAGE.format(**told) + "\n".join(lines) + "\n"


def _shares(found: list[float], digits: int = 2) -> str:
    return " / ".join(f"{share:.{digits}%}" for share in found)


def _range(found: list[float]) -> str:
    return f"{min(found):.0f} to {max(found):.0f}"


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


def _reached(pairs: dict[str, Any]) -> str:
    cells = [
        (name, point, dict(zip(pair["rest"]["fmr"], pair["rest"]["kept"], strict=True)))
        for name, pair in pairs.items()
        for point in pair["labelled"]["points"]
        if point["goal"]
    ]
    missed = [
        f"{name} at {point['fmr']:.0e} by {point['goal'] - point['kept']:.1%}"
        for name, point, _ in cells
        if point["kept"] < point["goal"]
    ]
    return REACHED.format(
        cells=len(cells),
        met=len(cells) - len(missed),
        sure=sum(point["kept_low"] >= point["goal"] for _, point, _ in cells),
        others=sum(rest[point["fmr"]] >= point["goal"] for _, point, rest in cells),
        missed="; ".join(missed) or "none",
    )


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


def _feeding() -> str | None:
    found = _read("bridge_feeding")
    if found is None:
        return None
    rightly = found["rightly"].values()
    most, way = max((gain, way) for one in rightly for way, gain in one["gains"].items())
    told = {
        "right": len(rightly),
        "accused": sum(one["better"] is not None for one in rightly) or "none",
        "pictures": found["pictures"],
        "command": found["provenance"]["command"],
    }
    lines = []
    for wrong, one in found["wrongly"].items():
        for other, pair in one["pairs"].items():
            better, blamed = pair["better"], pair["the other accused"]
            best = better["way"] if better else one["heals"]
            accused = "{gain:+.3f}, {way}".format(**blamed) if blamed else "no"
            lines.append(
                f"| {wrong} | {other} | {f'yes, {best}' if better else 'no'}"
                f" | {pair['gains'][best]:+.3f} | {pair['errors'][best]:.0f} | {accused} |"
            )
    return FEEDING.format(most=most, way=way, **told) + "\n".join(lines) + "\n"


def _demo() -> str | None:
    found = _read("bridge_demo")
    if found is None:
        return None
    kept = {
        kind: _shares([found[kind]["points"][fmr]["kept"] for fmr in ("0.01", "0.001")])
        for kind in ("auto", "kernel")
    }
    verdict = found["auto"]["verdict"]
    return DEMO.format(
        command=found["provenance"]["command"],
        pictures=found["pictures"],
        people=found["people"],
        decision=verdict["decision"],
        reason=verdict["reasons"][0],
        cosine=found["auto"]["map"]["cosine"],
        forced=kept["kernel"],
        none=kept["auto"],
    )


def _sizes() -> str | None:
    found = _read("bridge_size")
    if found is None:
        return None
    counts = list(next(iter(found["pairs"].values())))
    lines = [
        f"| {name} | {' | '.join(_shares(pair[count]['kept'], 1) for count in counts)} |"
        for name, pair in found["pairs"].items()
    ]
    told = SIZES.format(
        people=found["people"],
        command=found["provenance"]["command"].partition(" --pair")[0],
        heads="".join(f" {int(count):,} pictures |" for count in counts),
        rules="---|" * len(counts),
    )
    return told + "\n".join(lines) + "\n"


def _gallery() -> str | None:
    found = _read("migrate_real")
    if found is None:
        return None
    names = {
        "before": "old network",
        "enrolled again": "everybody enrolled again with the new one",
        "bridged": "carried over",
        "with natives": "the same after the visits",
        "gone back": "gone back",
    }
    lines = [
        f"| {said} | {one['right']:.1%} | {one['wrong']:.1%} | {one['strangers_taken']:.1%} |"
        for said, one in ((said, found[name]) for name, said in names.items())
    ]
    told = {**found, "command": found["provenance"]["command"], "kind": found["kind"]}
    renewed = RENEWED.format(
        people=found["people"],
        natives=found["people"] - found["another factor"]["bridged"],
        alone=found["bridge alone"]["replaced"] or "none",
    )
    return GALLERY.format(**told) + "\n".join(lines) + f"\n{renewed}"


def _read(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None
