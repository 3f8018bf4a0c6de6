"""What `embedge bridge` says of the demo's teacher and its student, who share a space.

    python benchmarks/bridge_demo.py RUN_FOLDER [--pictures 2000]

RUN_FOLDER is what `make demo` leaves (`runs/demo`). The command gets matrices of both networks:
unlabelled pictures that the student learnt from, and the run's held-out people as evidence. It is
asked once more for a kernel map by force, to see whether any map does better than none.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance, write_result

from embedge.calibration.evaluation.subjects import opened_model
from embedge.progress import Progress
from embedge.train.data import FaceDataset, FaceSet
from embedge.train.data.splits import Subset
from embedge.train.teachers import open_teacher

ENDS = ("teacher", "student")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--pictures", type=int, default=2000)
    options = parser.parse_args()
    stated = provenance("torch", "onnxruntime")
    learnt, strangers = (_faces(options.run, what) for what in ("faces", "held-out"))
    some = np.unique(np.linspace(0, len(learnt) - 1, options.pictures).astype(np.int64))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, faces in (("", Subset(learnt, some, "some")), ("-people", strangers)):
            for end, rows in zip(ENDS, _rows(options.run, faces), strict=True):
                np.save(folder / f"{end}{what}.npy", rows)
        people = "\n".join(f"person {label}" for label in strangers.labels)
        (folder / "people.txt").write_text(people)
        found = {kind: _asked(folder, kind) for kind in ("auto", "kernel")}
    facts = {"provenance": stated, "pictures": len(some)}
    write_result("bridge_demo", {**facts, "people": len(np.unique(strangers.labels)), **found})


def _faces(run: Path, what: str) -> FaceSet:
    (folder,) = run.glob(f"stages/{what}-*")
    return FaceSet.load(folder)


def _rows(run: Path, faces: FaceDataset) -> tuple[np.ndarray, np.ndarray]:
    (teacher,), (bundle,) = run.glob("stages/teacher-*"), run.glob("*.embedge")
    known = open_teacher(teacher).embed(faces, what="teacher", progress=Progress(quiet=True))
    with opened_model(str(bundle)).encoder as encoder:
        parts = np.array_split(np.arange(len(faces)), -(-len(faces) // 64))
        rows = [encoder.features(np.stack([faces.read(n) for n in part])) for part in parts]
    return known, np.concatenate(rows)


def _asked(folder: Path, kind: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "embedge", "bridge", "teacher.npy", "student.npy"]
    command += ["--out", f"{kind}.bridge", "--kind", kind, "--names", "people.txt", "--json"]
    for end, option in zip(ENDS, ("old", "new"), strict=True):
        command += [f"--labelled-{option}", f"{end}-people.npy"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr)
    told = json.loads(done.stdout)
    points = {f"{point['fmr']:g}": point for point in told["labelled"]["points"]}
    print(kind, told["verdict"], points)
    return {"map": told["map"], "verdict": told["verdict"], "points": points}


if __name__ == "__main__":
    main()
