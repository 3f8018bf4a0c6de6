"""The part of docs/results.md on what runs elsewhere: the self-test, and Rockchip's simulator."""

import json
from collections.abc import Iterator
from typing import Any

from provenance import RESULTS

__all__ = ["devices"]

SELFTEST = """### Is a wrong feeding noticed?

Trained networks made sick in every way that the self-test knows (`{command}`, last asked {date}):
faults asked, seen, and called by their name; and right answers by other roads (fusions, threads,
roundings), of which none may raise an alarm. All together {seen} of {asked} faults were seen and
{named} named, with {alarms} alarms in {runs} healthy runs.

| network | asked on | faults | seen | named | healthy runs | alarms |
|---|---|---|---|---|---|---|
"""

RKNN = """
### What does Rockchip's toolkit make of them?

`rknn-toolkit2` {toolkit} for an RK3588, computed by its simulator on x86 (no NPU was asked): cosine
to the float graph on {faces} faces. `int8-qdq` is our graph, taken over as it is.

| network | file | size | lowest cosine | median |
|---|---|---|---|---|
"""


def devices() -> str | None:
    parts = [_selftest(), _rknn()]
    return "## On devices\n\n" + "".join(filter(None, parts)) if any(parts) else None


def _read(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["networks"] if path.is_file() else None


def _selftest() -> str | None:
    networks = _read("selftest")
    if networks is None:
        return None
    parts = [
        (name, part, told) for name, all_of in networks.items() for part, told in all_of.items()
    ]
    ill = [told for _, _, told in parts if "asked" in told]
    well = [told for _, _, told in parts if "runs" in told]
    last = max((told["provenance"] for _, _, told in parts), key=lambda one: str(one["date"]))
    head = SELFTEST.format(
        command=last["command"],
        date=last["date"][:10],
        runs=sum(told["runs"] for told in well),
        alarms=sum(len(told["alarms"]) for told in well),
        **{key: sum(told[key] for told in ill) for key in ("asked", "seen", "named")},
    )
    table = head + "".join(_selftest_row(*one) for one in parts)
    otherwise = [
        f"{name} {runtime}, {fault}: {' and '.join(called) or 'nothing'}"
        for name, _, told in parts
        for runtime, fault, called in told.get("named_otherwise", ())
    ]
    return table + ("\nNamed otherwise: " + "; ".join(otherwise) + ".\n" if otherwise else "")


def _selftest_row(name: str, part: str, told: dict[str, Any]) -> str:
    if "runs" in told:
        return f"| {name} | {part} | | | | {told['runs']} | {len(told['alarms'])} |\n"
    return f"| {name} | {part} | {told['asked']} | {told['seen']} | {told['named']} | | |\n"


def _rknn() -> str | None:
    networks = _read("rknn")
    if not networks:
        return None
    one = next(iter(networks.values()))
    faces = next(iter(one["rows"].values()))["faces"]
    head = RKNN.format(toolkit=one["rknn-toolkit2"], faces=faces)
    return head + "".join(_rknn_rows(networks))


def _rknn_rows(networks: dict[str, Any]) -> Iterator[str]:
    for name, told in networks.items():
        for file, row in told["rows"].items():
            yield (
                f"| {name} | {file} | {row['bytes'] / 1e6:.2f} MB | {row['cosine_min']:.5f} |"
                f" {row['cosine_median']:.5f} |\n"
            )
