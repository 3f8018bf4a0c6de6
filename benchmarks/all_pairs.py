"""All pairs of 100,000 x 100,000 embeddings: share of the BLAS ceiling, and memory.

    python benchmarks/all_pairs.py [--rows 100000] [--dim 512]

The ceiling is a bare product of blocks of the same shape, timed before and after.
"""

import argparse
import json
import resource
import time

import numpy as np
from provenance import provenance, write_result

from embedge.calibration.pairs import pairs_between
from embedge.calibration.rates import equal_error, operating_point
from embedge.calibration.scores import Float32

BOUNDS = {"share_of_ceiling": 0.70, "peak_gb": 1.0}
_BLOCK = 2048
_TAIL = 1_000_000


def people(rows: int, dim: int, seed: int) -> Float32:
    """Ten pictures of each person, made block by block."""
    found = np.empty((rows, dim), np.float32)
    for start in range(0, rows, 1000):
        generator = np.random.default_rng([start, 7])
        centres = np.repeat(generator.normal(size=(100, dim)), 10, 0)
        noise = np.random.default_rng([start, seed]).normal(size=(1000, dim))
        part = (centres + noise)[: rows - start]
        found[start : start + 1000] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return found


def ceiling(rows: Float32, seconds: float = 5.0) -> float:
    """GFLOP/s of nothing but products."""
    block, done, began = rows[:_BLOCK], 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        block @ block.T
        done += 1
    return 2 * len(block) ** 2 * rows.shape[1] * done / spent / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    options = parser.parse_args()
    gallery, probe = (people(options.rows, options.dim, seed) for seed in (1, 2))
    labels = np.arange(options.rows) // 10
    before = ceiling(gallery)
    began, used = time.perf_counter(), time.process_time()
    scores = pairs_between(gallery, labels, probe, labels, tail_limit=_TAIL)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    after = ceiling(gallery)
    rate = 2 * options.rows**2 * options.dim / seconds / 1e9
    point = operating_point(scores, 1e-5)
    measured = {
        "share_of_ceiling": round(rate / ((before + after) / 2), 3),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
    }
    result = {
        "rows": options.rows,
        "dim": options.dim,
        "genuine": len(scores.genuine),
        "impostors": scores.impostors,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "gflops": round(rate, 1),
        "ceiling_gflops": [round(before, 1), round(after, 1)],
        "eer": getattr(equal_error(scores), "rate", None),
        "tar_at_1e-5": getattr(point, "tar", None),
        "measured": measured,
        "bounds": BOUNDS,
        "held": {
            "share_of_ceiling": measured["share_of_ceiling"] >= BOUNDS["share_of_ceiling"],
            "peak_gb": measured["peak_gb"] <= BOUNDS["peak_gb"],
        },
    }
    write_result("all_pairs", {"provenance": provenance(), **result})
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
