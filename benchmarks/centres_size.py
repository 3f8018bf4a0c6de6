"""How much memory class centres take that are recovered from millions of embeddings on disk.

    python benchmarks/centres_size.py [--rows 1000000] [--people 93431] [--dim 512]

Claim: less than a gigabyte. MS1MV3 has 5,179,510 pictures of 93,431 people. Two sides of half
precision lie in mapped files, in no order of people, as a teacher's cache leaves them; the process
that recovers the centres tells its own peak. Of people who agree with themselves the centres are
known: how near they come is told too.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from provenance import provenance, write_result

_CHUNK = 20_000

_RECOVER = """
import json, sys, time
from pathlib import Path
import numpy as np
from embedge.train.head.recovery.centres import recovered_centres
def status(key):
    return int(open("/proc/self/status").read().split(key + ":")[1].split()[0]) * 1024
folder, names = Path(sys.argv[1]), list(map(str, range(int(sys.argv[2]))))
sides = [np.load(folder / name, mmap_mode="r") for name in ("plain.npy", "flipped.npy")]
labels = np.load(folder / "labels.npy")
before, began = status("VmHWM"), time.perf_counter()
centres, report = recovered_centres(sides, labels, names)
seconds = time.perf_counter() - began
peak, truth = status("VmHWM"), np.load(folder / "truth.npy", mmap_mode="r")
parts = [slice(first, first + 4096) for first in range(0, len(centres), 4096)]
near = [float((centres[part] * truth[part]).sum(1).min()) for part in parts]
print(json.dumps({"seconds": round(seconds, 1), "peak_bytes": peak, "peak_before": before,
                  "mirrored": report.mirrored, "lowest_cosine_to_the_truth": round(min(near), 4)}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=93_431)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--out", default="centres_size")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_sides(Path(name), options.rows, options.people, options.dim)
        found = recovered(Path(name), options.people)
    sizes = {key: getattr(options, key) for key in ("rows", "people", "dim")}
    found["held"] = found["peak_bytes"] < 1e9
    print({**sizes, **found})
    write_result(options.out, {"provenance": provenance(), **sizes, **found})
    return 0 if found["held"] else 1


def write_sides(folder: Path, rows: int, people: int, dim: int) -> None:
    """Pictures around the truth of their person, mirrored ones a little beside."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((people, dim), np.float32)
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    labels = rng.permutation(np.arange(rows) % people)
    sides = [
        open_memmap(folder / name, "w+", np.float16, (rows, dim))
        for name in ("plain.npy", "flipped.npy")
    ]
    for first in range(0, rows, _CHUNK):
        part = slice(first, first + _CHUNK)
        mine = truth[labels[part]] + 0.02 * rng.standard_normal(
            (len(labels[part]), dim), np.float32
        )
        sides[0][part] = mine
        sides[1][part] = mine + 0.005 * rng.standard_normal(mine.shape, np.float32)
    np.save(folder / "labels.npy", labels)
    np.save(folder / "truth.npy", truth)


def recovered(folder: Path, people: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", _RECOVER, str(folder), str(people)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
