"""How often a group that is three times as badly off is found, and one that is not is accused.

    python benchmarks/group_gaps.py [--runs 100] [--first-seed 0]

The populations are those of tests/support/two_groups.py: 300 people of four pictures a group.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from provenance import provenance, write_result

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from two_groups import NOISE, PEOPLE, PICTURES, THRICE, flagged

BOUNDS = {"found": 0.95, "accused": 0.05}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    seeds, began = range(options.first_seed, options.first_seed + options.runs), time.perf_counter()
    found = {rate: sum(flagged(seed, *THRICE[rate])[rate] for seed in seeds) for rate in THRICE}
    alike = [flagged(seed, 0.0, NOISE) for seed in seeds]
    accused = {rate: sum(one[rate] for one in alike) for rate in THRICE}
    result = {
        "people_of_a_group": PEOPLE,
        "pictures_of_a_person": PICTURES,
        "runs": options.runs,
        "found": found,
        "accused": accused,
        "bounds": BOUNDS,
        "held": {
            "found": min(found.values()) >= BOUNDS["found"] * options.runs,
            "accused": max(accused.values()) <= BOUNDS["accused"] * options.runs,
        },
        "minutes": round((time.perf_counter() - began) / 60, 2),
    }
    write_result("group_gaps", {"provenance": provenance(), **result})
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
