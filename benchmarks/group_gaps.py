"""How often a group that is three times as badly off is found, and one that is not is accused.

    python benchmarks/group_gaps.py [--runs 100] [--first-seed 0]
    python benchmarks/group_gaps.py --power [--people N ...] [--runs 100] [--first-seed 0]
        [--pieces FOLDER --minutes M]   # stops after M minutes; called again it goes on from there

The populations are those of tests/support/two_groups.py: 300 people of four pictures a group.
`--power` asks the same of smaller and larger groups: how many people a finding needs.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from provenance import RESULTS, provenance, write_result

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from two_groups import NOISE, PEOPLE, PICTURES, THRICE, flagged

BOUNDS = {"found": 0.95, "accused": 0.05}
GROUPS = (75, 150, 300, 450, 600)
_APART = 1_000  # seeds from one size of groups to the next


@dataclass(frozen=True)
class Pieces:
    """What was counted so far, and until when to go on; without a folder all is done at once."""

    folder: Path | None
    until: float

    def kept(self, name: str, count: Callable[[], dict[str, int]]) -> dict[str, int]:
        if self.folder is None:
            return count()
        file = self.folder / f"{name}.json"
        if not file.exists():
            if time.monotonic() > self.until:
                raise SystemExit("not done: call again to go on")
            file.write_text(json.dumps(count()))
        found: dict[str, int] = json.loads(file.read_text())
        return found


def counted(seeds: range, people: int, pieces: Pieces) -> dict[str, dict[str, int]]:
    """Findings by rate: where that rate is three times as high, and where nothing is."""
    kinds = {**THRICE, "alike": (0.0, NOISE)}
    told = {
        kind: pieces.kept(f"{people} {kind} {seeds.start}", partial(_told, seeds, people, *how))
        for kind, how in kinds.items()
    }
    return {"found": {rate: told[rate][rate] for rate in THRICE}, "accused": told["alike"]}


def _told(seeds: range, people: int, alike: float, noise: float) -> dict[str, int]:
    runs = [flagged(seed, alike, noise, people) for seed in seeds]
    return {rate: sum(one[rate] for one in runs) for rate in THRICE}


def asked(options: argparse.Namespace, pieces: Pieces) -> dict[str, Any]:
    seeds, began = range(options.first_seed, options.first_seed + options.runs), time.perf_counter()
    told = counted(seeds, PEOPLE, pieces)
    return {
        "provenance": provenance(),
        "people_of_a_group": PEOPLE,
        "pictures_of_a_person": PICTURES,
        "runs": options.runs,
        **told,
        "bounds": BOUNDS,
        "held": {
            "found": min(told["found"].values()) >= BOUNDS["found"] * options.runs,
            "accused": max(told["accused"].values()) <= BOUNDS["accused"] * options.runs,
        },
        "minutes": round((time.perf_counter() - began) / 60, 2),
    }


def power(options: argparse.Namespace, pieces: Pieces) -> dict[str, Any]:
    groups = {}
    for number, people in enumerate(options.people):
        first = options.first_seed + number * _APART
        groups[str(people)] = counted(range(first, first + options.runs), people, pieces)
    return {
        "provenance": provenance(),
        "first_seed": options.first_seed,
        "runs": options.runs,
        "groups": groups,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--power", action="store_true", help="of several sizes of groups")
    parser.add_argument("--people", type=int, nargs="+", default=GROUPS, help="of each group")
    parser.add_argument("--pieces", type=Path, help="folder that keeps what was counted")
    parser.add_argument("--minutes", type=float, default=1e6)
    options = parser.parse_args()
    pieces = Pieces(options.pieces, time.monotonic() + 60 * options.minutes)
    file = RESULTS / "group_gaps.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    if options.power:
        result = {**known, "power": power(options, pieces)}
    else:
        result = {**asked(options, pieces), "power": known.get("power")}
    write_result("group_gaps", {name: value for name, value in result.items() if value is not None})
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
