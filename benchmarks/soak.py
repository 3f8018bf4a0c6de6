"""Continuous use: memory stays flat and no file stays open.

    python benchmarks/soak.py BUNDLE PICTURE PICTURE [--minutes 10]

Verifies and identifies without a pause, enrols and erases now and then, and samples resident
memory and open files.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from provenance import provenance, write_result

from embedge.runtime import FaceMatcher, Gallery

_KEY = bytes(range(32))
_BOUND_MB_PER_HOUR = 12.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("pictures", type=Path, nargs=2)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    samples: list[tuple[float, float, int]] = []
    rounds, end = 0, time.monotonic() + options.minutes * 60
    with (
        tempfile.TemporaryDirectory() as folder,
        FaceMatcher.load(options.bundle, threads=1) as matcher,
        Gallery.create(Path(folder) / "g", matcher.contract, key=_KEY) as gallery,
    ):
        while time.monotonic() < end:
            _one_round(matcher, gallery, *options.pictures, rounds)
            rounds += 1
            if rounds % 20 == 0:
                samples.append((time.monotonic(), _resident_mb(), _open_files()))
    settled = samples[len(samples) // 5 :]  # caches fill in the first fifth
    seconds, memory, open_files = (np.array(column) for column in zip(*settled))
    slope = float(np.polyfit(seconds, memory, 1)[0] * 3600)
    result = {
        "minutes": options.minutes,
        "rounds": rounds,
        "mb_first": round(float(memory[0]), 1),
        "mb_last": round(float(memory[-1]), 1),
        "mb_per_hour": round(slope, 2),
        "open_files": [int(open_files.min()), int(open_files.max())],
        "flat": slope < _BOUND_MB_PER_HOUR and int(np.ptp(open_files)) == 0,
    }
    write_result("soak", {"provenance": provenance("onnxruntime"), **result})
    print(json.dumps(result, indent=2))


def _one_round(matcher: FaceMatcher, gallery: Gallery, a: Path, b: Path, number: int) -> None:
    matcher.verify(a, b)
    embedding = matcher.embed(a)
    gallery.identify(embedding, matcher.contract)
    # every change adds some hundred bytes to the audit trail, for good: here it is not the subject
    if number % 100 == 0:
        gallery.enroll("somebody", embedding, matcher.contract)
    if number % 100 == 50:
        gallery.erase("somebody")


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _resident_mb() -> float:
    with Path("/proc/self/status").open() as lines:
        line = next(line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1e3


if __name__ == "__main__":
    main()
