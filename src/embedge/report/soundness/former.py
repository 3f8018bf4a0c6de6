"""What the names of gates say that they measure: only here are words read."""

import re
from collections.abc import Iterator
from dataclasses import replace

from embedge.calibration.evaluation.figures import Key
from embedge.report.gate.measurand import (
    CROSS,
    FLOAT,
    NETWORK,
    OWN,
    THRESHOLD_LOOKED,
    Checked,
    Figure,
    Measurand,
)
from embedge.report.model import Gate, Report, Verdict

__all__ = ["WORST", "keys_of", "nearness_told", "read_measurand", "with_measurands"]

_AT_RATE = re.compile(r"at FMR ([0-9.e+-]+)")
_ASKED = re.compile(r"; ([0-9.e+-]+) % was asked for")
WORST = re.compile(r"\(worst: (.*)\)$")
_NEARNESS = re.compile(r"p1 (?P<p1>-?[0-9.]+), lowest (?P<lowest>-?[0-9.]+) of")
_OF_ARTIFACT = re.compile("(.+) (parity|accuracy)")


def with_measurands(report: Report) -> Report:
    """The report whose gates all say what they measure; names that nobody knows stay names."""
    keys = keys_of(report)
    gates = [_with_measurand(gate, keys) for gate in report.verdict.gates]
    return replace(report, verdict=Verdict.of(gates))


def keys_of(report: Report) -> dict[str, Key]:
    """What names in the report are of, by name."""
    tested = report.evaluation.tested if report.evaluation else ()
    keys = {str(one.key): one.key for one in report.comparisons}
    return keys | {str(one.side): Key(one.side, one.side) for one in tested}


def _with_measurand(gate: Gate, keys: dict[str, Key]) -> Gate:
    if gate.measures.figure != "other":
        return gate
    name, _, on = gate.name.partition(" (")  # as a merge names it
    found = read_measurand(gate.name, gate.what, keys)
    if found is None and (base := read_measurand(name, gate.what, keys)):
        found = replace(base, on=on.removesuffix(")").replace(") (", ", "))
    told = WORST.search(gate.what)
    worst = keys.get(told[1]) if told else gate.worst
    return replace(gate, measures=found or Measurand("other", gate.name), worst=worst)


def nearness_told(figure: Figure, note: str) -> str | None:
    """What the note of an engine or of a conversion tells of its cosine to the graph it is of."""
    found = _NEARNESS.search(note)
    return found["lowest" if figure == "cosine-min" else "p1"] if found else None


def read_measurand(name: str, what: str, keys: dict[str, Key]) -> Measurand | None:
    """What the product's own names mean; None for any other."""
    rate, asked = _AT_RATE.search(what), _ASKED.search(what)
    fmr = float(rate[1]) if rate else None
    kind, _, rest = name.partition(": ")
    whole = {
        "equal error rate": Measurand("eer", key=OWN),
        "no re-enrolment": Measurand("tar", key=CROSS, fmr=fmr),
        "thresholds": Measurand("threshold-fmr", fmr=_share(asked[1]) if asked else None),
        "thresholds hold": Measurand("fmr-over-promise"),
        "held-out people": Measurand("held-out-faults", checked=_of_held_out(what)),
        "faults: the data": Measurand("faults", checked=tuple(_of_data(what))),
    }
    if name in whole:
        return whole[name]
    if kind == "faults" and rest in keys:
        seen: tuple[Checked, ...] = () if "were not checked" in what else ("labels",)
        seen += ("threshold",) if THRESHOLD_LOOKED in what else ()
        return Measurand("faults", key=keys[rest], checked=seen)
    if kind == "accuracy" and rest in keys:
        return Measurand("eer", key=keys[rest])
    return _of_artifact(name, what, fmr)


def _of_artifact(name: str, what: str, fmr: float | None) -> Measurand | None:
    if name.startswith("engine parity "):
        return Measurand("cosine-min", name.removeprefix("engine parity "))
    if not (told := _OF_ARTIFACT.fullmatch(name)):
        return None
    artifact, kind = told.groups()
    if kind == "accuracy":
        return Measurand("tar-lost", artifact, against=FLOAT, fmr=fmr)
    if what.startswith(f"cosine of {artifact} to "):
        return Measurand("cosine-p1", artifact, against=NETWORK)
    figure: Figure = "cosine-min" if what.startswith("lowest cosine") else "cosine-p1"
    return Measurand(figure, artifact, against=FLOAT)


def _share(percent: str) -> float:
    return float(f"{float(percent) / 100:.12g}")


def _of_held_out(what: str) -> tuple[Checked, ...]:
    return ("copies",) if "shuffled labels were not" in what else ("copies", "labels")


def _of_data(what: str) -> Iterator[Checked]:
    if "not checked: leaks" not in what:
        yield "leaks"
    if "copies under two names" in what:
        yield "copies"
    if "pairs and folds" in what:
        yield "pairs"
