"""What INT8 costs really trained networks, beside ONNX Runtime's own quantiser.

    python benchmarks/int8_real.py REAL_FOLDER [--models NAME …] [--calib strangers|omi]

REAL_FOLDER holds models/NAME.onnx, lfw-dev-pairs.tsv, and PERSON/PICTURE under lfw-dev and omi.
Judged are all pairs of at most eight pictures a person among people with two or more, and the ten
folds of the pair list. Calibrated is on `strangers`: people with one picture who are in no pair of
the list either, so that nobody who calibrates is measured; or on the synthetic people of `omi`. The
rows `searched` keep layers in float by a plan that was searched on `omi`. The peer is
`quantize_static` with U8 activations, S8 weights per channel and MinMax, on random pictures of the
same people. Every loss of TAR carries an interval: half of the people are drawn at a time and both
graphs judged on them. The latency ratio (batch 1, 1 thread, rounds in turn) says whether something
disturbed it. Every row is written when it stands, so that rows can be measured one by one.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers import ort_default
from provenance import RESULTS, provenance

from embedge.calibration.evaluation.judge import cosines_of
from embedge.calibration.pairs import pairs_within
from embedge.calibration.protocols.folders import people_in_folders
from embedge.calibration.protocols.pairlist import PairProtocol, pairs_from_list
from embedge.calibration.rates import operating_point
from embedge.calibration.tenfold import folded_accuracy
from embedge.export.graph.running import batches_of, embeddings_of
from embedge.export.int8.budget.before_after import BeforeAfter, before_after, parity_of
from embedge.export.int8.budget.precision_plan import Allowance
from embedge.export.int8.calibration_set import choose, person_of, picture_features
from embedge.export.int8.placement import Target
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims, taken_in
from embedge.files import write_json
from embedge.runtime.encoders import normalised
from embedge.runtime.picture.images import rgb_from_picture

MODELS = ("w600k_mbf", "insightface_y1")
PEER = "ONNX Runtime quantize_static"
ROWS = ("int8-cpu", "int8-trt", "searched-cpu", "searched-trt", "peer")
BOUNDS = {"1e-4": 0.1, "1e-5": 0.3, "1e-6": 0.6}
FOLD_BOUND = 0.1
DRAWS = 60
TIMED = 100  # pictures that the latency is measured on

Images = NDArray[np.uint8]
Rows = NDArray[np.float32]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="REAL_FOLDER")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--calib", choices=("strangers", "omi"), default="strangers")
    parser.add_argument("--count", type=int, default=256, help="calibration pictures")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each latency ratio")
    parser.add_argument("--budget", type=float, default=0.05, help="points, of the searched plans")
    parser.add_argument("--budget-fmr", type=float, default=1e-4)
    options = parser.parse_args()
    measured = Measured.of(options.folder)
    for name in options.models:
        print(f"— {name}, calibrated on {options.calib}", flush=True)
        bench = Bench(options.folder / "models" / f"{name}.onnx", measured, options)
        with tempfile.TemporaryDirectory() as scratch:
            for row in bench.rows(Path(scratch)):
                _written(f"{name}, {options.calib}", bench.facts(), row)
    return 0


def _written(entry: str, facts: dict[str, Any], row: dict[str, Any]) -> None:
    """One row into the file; what it held of other rows stays."""
    path = RESULTS / "int8_real.json"
    runs = json.loads(path.read_text())["runs"] if path.is_file() else {}
    row = {"provenance": provenance("onnxruntime", "onnx"), **row}
    rows = runs.get(entry, {}).get("rows", {}) | {row["name"]: row}
    runs[entry] = {**facts, "rows": rows}
    bounds = {**BOUNDS, "ten folds": FOLD_BOUND}
    write_json(path, {"bounds_points": bounds, "runs": dict(sorted(runs.items()))})


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The pictures that are judged, decoded once: where the two protocols find theirs."""

    images: Images
    whole: NDArray[np.int64]
    labels: NDArray[np.int64]
    listed: NDArray[np.int64]
    pairs: PairProtocol
    strangers: list[str]

    @classmethod
    def of(cls, folder: Path) -> "Measured":
        root = folder / "lfw-dev"
        files, labels = people_in_folders(root, per_person=8, at_least=2)
        pairs = pairs_from_list(folder / "lfw-dev-pairs.tsv", root)
        listed = list(pairs.faces.names)  # type: ignore[attr-defined]
        names = sorted({*files.names, *listed})
        place = {name: number for number, name in enumerate(names)}
        met = set(map(person_of, names))
        everybody = people_in_folders(root)[0].names
        return cls(
            _decoded(root, names),
            np.array([place[name] for name in files.names]),
            labels,
            np.array([place[name] for name in listed]),
            pairs,
            [f"lfw-dev/{name}" for name in everybody if person_of(name) not in met],
        )

    def judged(self, rows: Rows) -> dict[str, Any]:
        sides, pairs = rows[self.listed], self.pairs
        scores = np.sum(sides[pairs.pairs[:, 0]] * sides[pairs.pairs[:, 1]], axis=1)
        folds = folded_accuracy(scores, pairs.same, pairs.folds)
        tars = _tars(rows[self.whole], self.labels)
        return {"tar": tars, "ten_folds": 100 * getattr(folds, "mean", np.nan)}

    def intervals(self, reference: Rows, found: Rows) -> dict[str, list[float] | None]:
        """Of what TAR loses; half of the people at a time, both graphs on the same half.

        None where half of the people cannot carry the rate.
        """
        rng, people, lost = np.random.default_rng(0), np.unique(self.labels), []
        for _ in range(DRAWS):
            some = np.isin(self.labels, rng.choice(people, len(people) // 2, replace=False))
            half, labels = self.whole[some], self.labels[some]
            before, after = (_tars(rows[half], labels) for rows in (reference, found))
            lost.append([before[fmr] - after[fmr] for fmr in BOUNDS])
        middle, spread = np.mean(lost, axis=0), np.std(lost, axis=0)
        # the spread of halves, drawn without replacement, is that of the whole
        return {
            fmr: [float(m - 1.96 * s), float(m + 1.96 * s)] if np.isfinite(m) else None
            for fmr, m, s in zip(BOUNDS, middle, spread)
        }


class Bench:
    """One model, its calibration pictures, and what each way of quantising it loses."""

    def __init__(self, model: Path, measured: Measured, options: argparse.Namespace) -> None:
        self.model, self.measured, self.options = model, measured, options
        files = list(people_in_folders(options.folder / "omi")[0].names)
        self.omi = _decoded(options.folder / "omi", files)
        self.omi_files = files
        if options.calib == "omi":
            self.pool, people = self.omi, list(map(person_of, files))
        else:
            self.pool = _decoded(options.folder, measured.strangers)
            people = list(map(person_of, measured.strangers))
        self.chosen = choose(picture_features(self.pool), people, options.count)
        self.taken = taken_in(model, self.pool[:8], Claims(Stated((127.5,), (127.5,), "RGB")))
        self.reference: Rows = normalised(self.taken.expected(measured.images))
        self.before = measured.judged(self.reference)

    def facts(self) -> dict[str, Any]:
        measured = self.measured
        return {
            "calibration": {"pictures": len(self.chosen), "offered": len(self.pool)},
            "measured": {
                "people": len(np.unique(measured.labels)),
                "pictures": len(measured.labels),
                "listed_pairs": len(measured.pairs.pairs),
            },
        }

    def rows(self, folder: Path) -> Iterator[dict[str, Any]]:
        yield _told("fp32", self.before, {})
        wanted = self.options.rows
        for target in ("cpu", "trt"):
            names = [name for name in (f"int8-{target}", f"searched-{target}") if name in wanted]
            if names:
                yield from self._ours(folder / f"{target}.onnx", target, names)
        if "peer" in wanted:
            yield self._peers(folder / "peer.onnx")

    def _ours(self, out: Path, target: Target, names: list[str]) -> Iterator[dict[str, Any]]:
        images = self.pool[self.chosen]
        for name in names:
            budget = self._budget() if name.startswith("searched") else None
            plan = qdq_from_onnx(self.taken.graph, images, out, target=target, budget=budget)
            yield {**self._row(name, out), "plan": plan.to_json()}

    def _speed(self, path: Path, timed: Images) -> BeforeAfter:
        parity = parity_of(self.taken, path, timed)
        size, seconds = self.model.stat().st_size, self.options.seconds
        return before_after(self.taken, size, path, timed, parity, seconds=seconds)

    def _peers(self, out: Path) -> dict[str, Any]:
        try:
            self._theirs(out)
        except Exception as error:  # the peer's crash is a result, not ours to hide
            said = f"{type(error).__name__}: {error}"
            return _told(PEER, {}, {"failed": said[:300]})
        return self._row(PEER, out)

    def _budget(self) -> Allowance:
        """By people who are neither measured nor, with `strangers`, calibrated on."""
        wanted = self.options
        taken = set(self.chosen) if wanted.calib == "omi" else set()
        places = [place for place in range(0, len(self.omi), 2) if place not in taken]
        faces = self.omi[places]
        labels = np.array([person_of(self.omi_files[place]) for place in places])
        return Allowance(wanted.budget, wanted.budget_fmr, faces, labels)

    def _theirs(self, out: Path) -> None:
        taken = np.random.default_rng(0).permutation(len(self.pool))[: self.options.count]
        ort_default(self.model, batches_of(self.pool[taken], self.taken.contract), out)

    def _embedded(self, path: Path) -> Rows:
        rows: Rows = normalised(embeddings_of(path, self.measured.images))
        return rows

    def _row(self, name: str, path: Path) -> dict[str, Any]:
        found = self._embedded(path)
        after = self.measured.judged(found)
        lost = {fmr: self.before["tar"][fmr] - after["tar"][fmr] for fmr in BOUNDS}
        folds = self.before["ten_folds"] - after["ten_folds"]
        held = {fmr: lost[fmr] <= bound for fmr, bound in BOUNDS.items()}
        timed = self.measured.images[:: len(self.measured.images) // TIMED]
        speed = self._speed(path, timed)
        facts = {
            "cosine": asdict(cosines_of(self.reference, found)),
            "tar_lost": lost,
            "tar_lost_95": self.measured.intervals(self.reference, found),
            "ten_folds_lost": folds,
            "held": {**held, "ten folds": folds <= FOLD_BOUND},
            "times_as_fast": {"ratio": speed.speedup, "disturbed": speed.disturbed},
        }
        return _told(name, after, facts)


def _decoded(root: Path, names: list[str]) -> Images:
    return np.stack([rgb_from_picture(root / name) for name in names])


def _tars(rows: Rows, labels: NDArray[np.int64]) -> dict[str, float]:
    subjects = np.unique(labels, return_inverse=True)[1]
    scores = pairs_within(rows, subjects)
    points = {fmr: operating_point(scores, float(fmr)) for fmr in BOUNDS}
    return {fmr: 100 * float(getattr(point, "tar", np.nan)) for fmr, point in points.items()}


def _told(name: str, judged: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    said = facts.get("failed", "")
    if judged:
        tars = " ".join(f"{value:.3f}" for value in judged["tar"].values())
        said = f"TAR {tars}, ten folds {judged['ten_folds']:.3f}"
    if "cosine" in facts:
        lost = " ".join(f"{value:+.3f}" for value in facts["tar_lost"].values())
        near = "mean {mean:.5f} p1 {p1:.5f} lowest {min:.5f}".format(**facts["cosine"])
        fast = facts["times_as_fast"]
        note = " (disturbed)" if fast["disturbed"] else ""
        said += f"; lost {lost}, folds {facts['ten_folds_lost']:+.3f}; cosine {near}"
        said += f"; {fast['ratio']:.2f} times as fast{note}"
    print(f"{name:29} {said}", flush=True)
    return {"name": name, **judged, **facts}


if __name__ == "__main__":
    sys.exit(main())
