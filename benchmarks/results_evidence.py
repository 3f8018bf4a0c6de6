"""The part of docs/results.md on evidence: coverage, gaps, a certificate, sizes."""

import json
from typing import Any

from interval_coverage import NOMINAL, NOT_STRICTER, SUFFICES, TRIALS, held_of, lacking
from provenance import RESULTS

__all__ = ["evidence"]

COVERAGE = """### Do 95 % intervals hold?

Simulated people whose truth is known, on seeds that were not used to choose the methods
(`{command}`): the share of intervals of FMR, FNMR, TAR and EER that hold the truth, at least, and
the most of them that miss it on one side; the median width of the TAR's, and in brackets that of
the method used before, with the least that it held; and thresholds: how often the true FMR is above
the target, how often none is set, and the median of true FMR over target. Data suffice (**bold**)
where at least {suffices} false matches may be expected among the different pairs of people at the
target: of fewer, even a Poisson count leaves a stricter threshold than was asked for.

| people (trials) | FMR | holds | one side | width (before) | held | above | none | median |
|---|---|---|---|---|---|---|---|---|
"""

BOUNDS = """
Asked of every row were {trials} trials, intervals that hold in {coverage:.0%} at least and miss on
one side in {one_sided:.0%} at most, thresholds above their target in {misses:.1%} at most, and a
median of {median:g} where data suffice. Over all rows: {lowest:.1%}, {most:.1%}, {above:.1%} and
{least:.2f}. {verdict}
"""

GAPS = """
### Is a gap between groups found?

Groups of {people_of_a_group} people with {pictures_of_a_person} pictures each, {runs} runs
(`{command}`). Asked was that a gap of three is found in at least 95 of 100, and that one which is
not there is told in at most 5. An FMR that is three times as high was found in **{found[fmr]}**,
such an FNMR in **{found[fnmr]}**; where there is no gap, one of the FMR was told in {accused[fmr]}
and one of the FNMR in {accused[fnmr]}. {met}
"""

POWER = """
How many people a finding takes (FMR 0.1 % and FNMR 2.6 % in the better group, {pictures} pictures a
person), {runs} runs a cell on other seeds than those above (`{command}`):

| people of each group | found: FMR × 3 | found: FNMR × 3 | no gap, FMR accused | FNMR accused |
|---|---|---|---|---|
"""

SIZE = """
### How much memory does it take?

| what | pairs | minutes | peak |
|---|---|---|---|
"""

CERTIFICATE = """
### A certificate on real faces

`{command}`: the FP32 of {name} enrolled, FP16 and INT8 take its place, at FMR {fmr:g}.
{threshold_people} people of LFW set the thresholds, {judged_people} others ({pictures:,} pictures)
are judged; INT8 was calibrated on synthetic people. The claim, no more than {margin:.0%} of the TAR
lost against enrolling everybody again, is **{shown}**. FP32 alone: TAR {paragon}.

| probe | TAR in FP32's gallery | less enrolling again | less FP32 alone | flips | FMR (at most) |
|---|---|---|---|---|---|
"""


def evidence() -> str | None:
    parts = [_coverage(), _gaps(), _sizes(), _certificate()]
    return "## Evidence\n\n" + "".join(part for part in parts if part) if any(parts) else None


def _read(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _coverage() -> str | None:
    found = _read("interval_coverage")
    if found is None:
        return None
    rows = [_regime(name, one) for name, one in found["populations"].items()]
    head = COVERAGE.format(command=found["provenance"]["command"], suffices=SUFFICES)
    return head + "\n".join(rows) + "\n" + _bounds(found)


def _bounds(found: dict[str, Any]) -> str:
    short, measured = lacking(found["populations"]), found["measured"]
    broken = [name for name, holds in held_of(measured, found["populations"]).items() if not holds]
    if short:
        told = ", ".join(f"{name} ({trials})" for name, trials in short.items())
        verdict = f"**Not shown**: too few trials of {told}."
    else:
        words = ", ".join(name.replace("_", " ") for name in broken)
        verdict = f"**Missed**: {words}." if broken else "All are met."
    return BOUNDS.format(
        trials=TRIALS,
        coverage=NOMINAL["coverage"],
        one_sided=NOMINAL["one_sided"],
        misses=NOMINAL["threshold_misses"],
        median=NOT_STRICTER,
        lowest=measured["lowest_coverage"],
        most=measured["most_one_sided"],
        above=measured["most_threshold_misses"],
        least=measured["least_median_of_target"],
        verdict=verdict,
    )


def _regime(name: str, one: dict[str, Any]) -> str:
    now, before, limit = one["intervals"], one["before"], one["threshold"]
    holds = min(each["coverage"] for each in now.values())
    side = max(max(each["high_too_low"], each["low_too_high"]) for each in now.values())
    # where no TAR could be told, the FNMR stands for it
    what = "TAR at an FMR" if "TAR at an FMR" in now else "FNMR at a threshold"
    was = before.get(what)
    width = f"{now[what]['median_width']:.2%} ({was['median_width']:.2%})" if was else "–"
    held = f"{min(each['coverage'] for each in before.values()):.0%}" if before else "–"
    shares = [limit["misses"], limit["refused"], limit["median_of_target"]]
    told = ["–" if share is None else f"{share:.1%}" for share in shares[:2]]
    median = "–" if shares[2] is None else f"{shares[2]:.2f}"
    median = f"**{median}**" if limit["data_suffice"] else median
    row, fmr = f"{name} ({one['trials']})", f"{one['truth']['fmr']:g}"
    return (
        f"| {' | '.join([row, fmr, f'{holds:.1%}', f'{side:.1%}', width, held, *told, median])} |"
    )


def _gaps() -> str | None:
    found = _read("group_gaps")
    if found is None:
        return None
    told = GAPS.format(**found, met=_met(found), command=found["provenance"]["command"])
    return told + _power(found)


def _met(found: dict[str, Any]) -> str:
    runs, bounds = found["runs"], found["bounds"]
    missed = [
        f"an {rate.upper()} three times as high was found in {count} of {runs}, and"
        f" {bounds['found']:.0%} were asked"
        for rate, count in found["found"].items()
        if count < bounds["found"] * runs
    ]
    missed += [
        f"a gap of the {rate.upper()} that is not there was told in {count} of {runs}, and"
        f" {bounds['accused']:.0%} were allowed"
        for rate, count in found["accused"].items()
        if count > bounds["accused"] * runs
    ]
    return f"**Missed**: {'; '.join(missed)}." if missed else "Both are met."


def _power(found: dict[str, Any]) -> str:
    power = found.get("power")
    if power is None:
        return ""
    rows = [
        f"| {people} | {one['found']['fmr']} | {one['found']['fnmr']} | {one['accused']['fmr']} |"
        f" {one['accused']['fnmr']} |"
        for people, one in power["groups"].items()
    ]
    facts = {"pictures": found["pictures_of_a_person"], "runs": power["runs"]}
    head = POWER.format(command=power["provenance"]["command"], **facts)
    return head + "\n".join(rows) + "\n"


def _sizes() -> str | None:
    rows = []
    if found := _read("ijb_size"):
        pairs = found["genuine"] + found["impostors"]
        what = f"templates of IJB-C's size, from {found['faces']:,} features"
        rows.append((what, pairs, found["minutes"], found["measured"]["peak_gb"]))
    if found := _read("group_differentials"):
        what = "groups of UTKFace, every two pictures"
        rows.append((what, found["pairs"], found["minutes"], found["measured"]["peak_gb"]))
    told = (
        f"| {what} | {pairs:,} | {minutes:.1f} | {peak:.2f} GB |"
        for what, pairs, minutes, peak in rows
    )
    return SIZE + "\n".join(told) + "\n" if rows else None


def _certificate() -> str | None:
    found = _read("certificate_real")
    if found is None:
        return None
    head = CERTIFICATE.format(
        **found["people"],
        **{key: found["claim"][key] for key in ("fmr", "margin")},
        command=found["provenance"]["command"],
        name=found["model"],
        pictures=found["pictures"],
        shown="shown" if found["passed"] else "not shown",
        paragon=_rate(found["paragon"]["tar"]),
    )
    return head + "\n".join(_artifact(*pair) for pair in found["artifacts"].items()) + "\n"


def _artifact(name: str, one: dict[str, Any]) -> str:
    flips, cross = one["flips"], one["cross"]
    cells = [
        _rate(cross["tar"]),
        *(_points(one[kind]) for kind in ("asymmetric", "backward")),
        f"{flips['negative']} lost, by {flips['people_losing']} of {flips['people']} people",
        f"{cross['fmr']['rate']:.1e} ({cross['fmr']['high']:.1e})",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def _rate(rate: dict[str, float]) -> str:
    return f"{rate['rate']:.2%} ({rate['low']:.2%} – {rate['high']:.2%})"


def _points(difference: dict[str, float]) -> str:
    value, low, high = (100 * difference[key] for key in ("value", "low", "high"))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
