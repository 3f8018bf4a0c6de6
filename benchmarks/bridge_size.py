"""How many pictures a bridge takes: fits on a part of them, judged on the same other people.

    python benchmarks/bridge_size.py CACHE [--pictures 400 1000 3000 8000] [--pair OLD NEW]

On the embeddings that `benchmarks/bridge.py --cache CACHE` keeps; pictures are spread evenly over
`utk`. Each pair is written when it is done.
"""

import argparse
import json
from itertools import permutations
from pathlib import Path

import numpy as np
from bridge import GOALS, MODELS, end, kept_on, spread
from bridge_coverage import unit
from provenance import RESULTS, provenance, write_result

from embedge.calibration.bridging.labelled import People
from embedge.calibration.people.splits import split_subjects
from embedge.train.bridge.fit import fitted_bridge
from embedge.train.bridge.pairs import Pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--pictures", type=int, nargs="+", default=[400, 1000, 3000, 8000])
    parser.add_argument("--pair", nargs=2, action="append", metavar=("OLD", "NEW"))
    options, stated = parser.parse_args(), provenance("numpy")
    known = RESULTS / "bridge_size.json"
    pairs = json.loads(known.read_text())["pairs"] if known.is_file() else {}
    labels = np.load(options.cache / "lfw.labels.npy")
    third, _ = split_subjects(labels, 7, share=1 / 3)  # on whom constants were chosen
    for ends in options.pair or permutations(MODELS, 2):
        utk, lfw = (
            [unit(np.load(options.cache / f"{what}.{name}.npy")) for name in ends]
            for what in ("utk", "lfw")
        )
        people = People(*lfw, labels).only(~third)
        told, everybody = {}, np.ones(len(people.labels), bool)
        for count in options.pictures:
            some = spread(len(utk[0]), count)
            sides = [rows[some] for rows in utk]
            named = [end(name, rows) for name, rows in zip(ends, sides, strict=True)]
            bridge = fitted_bridge(*named, Pairs(sides[:1], sides[1:])).bridge
            kept = kept_on(bridge.apply(people.old), people, everybody)["kept"]
            told[str(count)] = {"kind": bridge.facts["kind"], "kept": kept}
        pairs[" > ".join(ends)] = told
        print(*ends, told, flush=True)
        result = {"provenance": stated, "fmrs": list(GOALS), "people": len(set(people.labels))}
        write_result("bridge_size", {**result, "pairs": pairs})


if __name__ == "__main__":
    main()
