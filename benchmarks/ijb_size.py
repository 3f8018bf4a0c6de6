"""A synthetic test of IJB-C's size, 1:1 and 1:N: time and memory of everything but the network.

    python benchmarks/ijb_size.py [--shrink 1]

469,375 faces of 23,124 templates, 15,658,489 pairs (19,557 genuine) in the official text files,
galleries of 1,772 and 1,759 templates, 19,593 searches. Features stand in for the network's.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from provenance import provenance, write_result

from embedge.calibration.evaluation.embed import Chunk
from embedge.calibration.evaluation.figures import Key, Side
from embedge.calibration.evaluation.judge import judged_scores
from embedge.calibration.identification import identification, searched
from embedge.calibration.pairs import pairs_streamed
from embedge.calibration.protocols.ijb import IjbSet, ijb_set
from embedge.calibration.protocols.templates import templates_from_chunks

FACES, TEMPLATES, PAIRS, GENUINE, SUBJECTS = 469_375, 23_124, 15_658_489, 19_557, 3_531
_DIM, _CHUNK = 512, 512
_SIDE = Side("synthetic")
FMRS = (1e-4, 1e-5, 1e-6)
BOUNDS = {"peak_gb": 2.0}


def written(root: Path, shrink: int) -> None:
    """The official lists, without pictures."""
    generator = np.random.default_rng(0)
    faces, templates, subjects = FACES // shrink, TEMPLATES // shrink, SUBJECTS // shrink
    meta = root / "meta"
    meta.mkdir(parents=True)
    owner = np.sort(generator.integers(0, templates, faces))
    owner[:templates] = np.arange(templates)
    owner.sort()
    whose = np.concatenate([np.arange(subjects), generator.integers(0, subjects, templates)])
    whose = whose[:templates]
    points = " ".join(["50.0"] * 10)
    _lines(meta / "ijbc_name_5pts_score.txt", (f"{n}.jpg {points} 0.9" for n in range(faces)))
    _lines(
        meta / "ijbc_face_tid_mid.txt",
        (f"{n}.jpg {owner[n]} {n // 3}" for n in range(faces)),
    )
    _pairs(meta / "ijbc_template_pair_label.txt", whose, shrink, generator)
    half = subjects // 2
    for name, rows in (
        ("gallery_G1", range(half)),
        ("gallery_G2", range(half, subjects)),
        ("probe_mixed", range(subjects, templates)),
    ):
        lines = (f"{row},{whose[row]}" for row in rows)
        _lines(meta / f"ijbc_1N_{name}.csv", (line for part in (["T,S"], lines) for line in part))


def _pairs(
    path: Path, whose: NDArray[np.int64], shrink: int, generator: np.random.Generator
) -> None:
    order = np.argsort(whose, kind="stable")
    mates = np.stack([order[:-1], order[1:]], axis=1)
    genuine = mates[whose[mates[:, 0]] == whose[mates[:, 1]]][: GENUINE // shrink]
    count = PAIRS // shrink - len(genuine)
    others = generator.integers(0, len(whose), (count + count // 100, 2))
    others = others[whose[others[:, 0]] != whose[others[:, 1]]][:count]
    with path.open("w") as stream:
        for rows, label in ((genuine, 1), (others, 0)):
            for start in range(0, len(rows), 1 << 18):
                part = rows[start : start + (1 << 18)]
                stream.write("".join(f"{a} {b} {label}\n" for a, b in part.tolist()))


def _lines(path: Path, lines: Iterator[str]) -> None:
    with path.open("w") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def features(data: IjbSet) -> Iterator[Chunk]:
    """What a network might give: people apart, pictures around them."""
    subjects = data.subjects()[data.templates]
    centres = np.random.default_rng(1).normal(size=(int(subjects.max()) + 1, _DIM))
    for first in range(0, len(subjects), _CHUNK):
        part = subjects[first : first + _CHUNK]
        noise = np.random.default_rng([2, first]).normal(size=(len(part), _DIM))
        rows = (centres[part] + 4 * noise).astype(np.float32)
        yield Chunk(first, rows, np.ones(len(part), bool))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shrink", type=int, default=1, help="divide every count by this")
    options = parser.parse_args()
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        written(root, options.shrink)
        clock = _Clock(seconds)
        data = ijb_set(root)
        clock.lap("read the lists")
        rows, exists = templates_from_chunks(
            features(data), data.detector_scores, data.templates, data.media, _DIM
        )
        clock.lap("features and templates")
        scores = pairs_streamed(rows, data.subjects(), data.pair_blocks())
        clock.lap("score the pairs")
        comparison = judged_scores(Key(_SIDE, _SIDE), scores, FMRS)
        clock.lap("rates and intervals")
        galleries, probes = data.searches()
        for gallery in galleries:
            found = searched(
                rows[gallery.rows], gallery.subjects, rows[probes.rows], probes.subjects
            )
            identification(found, len(gallery.rows), (0.1, 0.01))
        clock.lap("search both galleries")
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3)
    result = {
        "faces": len(data.faces.names),
        "templates": int(exists.sum()),
        "people": comparison.subjects,
        "genuine": comparison.genuine,
        "impostors": comparison.impostor,
        "seconds": seconds,
        "minutes": round(sum(seconds.values()) / 60, 2),
        "measured": {"peak_gb": peak},
        "bounds": BOUNDS,
        "held": {"peak_gb": peak <= BOUNDS["peak_gb"]},
    }
    write_result("ijb_size", {"provenance": provenance(), **result})
    print(json.dumps(result, indent=2))


class _Clock:
    def __init__(self, seconds: dict[str, float]):
        self._seconds, self._last = seconds, time.perf_counter()

    def lap(self, what: str) -> None:
        now = time.perf_counter()
        self._seconds[what] = round(now - self._last, 2)
        self._last = now


if __name__ == "__main__":
    main()
