"""Two photographs to a decision, beside insightface: the same models, pictures and core.

    python benchmarks/verify_end_to_end.py FOLDER_OF_MODELS_AND_PHOTOS

The folder holds models/scrfd_2.5g_bnkps.onnx, models/w600k_mbf.onnx and photos/NAME/*.jpg.
All run on one core, each in its own process; needs the extras `zoo` and `export`. "embedge
exported" runs the same embedder as embedge exports networks: PReLU from operators that are fast.
"""

import argparse
import importlib.metadata
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provenance import provenance, write_result

SIZE = 320
_PAIRS, _ROUNDS = 40, 3
_ROOTS = {
    "embedge": ("numpy", "onnxruntime", "pillow", "cryptography"),
    "embedge exported": ("numpy", "onnxruntime", "pillow", "cryptography"),
    "insightface": ("insightface",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--child", choices=tuple(_ROOTS), help=argparse.SUPPRESS)
    parser.add_argument("--embedder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_measured(options.child, options.folder, options.embedder)))
        return
    # interleaved, so that whatever else the machine does disturbs both
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in _ROOTS}
    given = options.folder / "models" / "w600k_mbf.onnx"
    with tempfile.TemporaryDirectory() as name:
        exported = _exported(given, Path(name) / "exported.onnx")
        for _ in range(_ROUNDS):
            for name in _ROOTS:
                embedder = exported if name == "embedge exported" else given
                rounds[name].append(_child(name, options.folder, embedder))
    result = {name: _joined(name, rows) for name, rows in rounds.items()}
    packages = ("onnxruntime", "insightface", "opencv-python")
    write_result("verify_end_to_end", {"provenance": provenance(*packages), **result})
    print(json.dumps(result, indent=2))


def _exported(model: Path, path: Path) -> Path:
    from embedge.export.graph.canonical import canonical
    from embedge.export.graph.channels import lower_prelu
    from embedge.export.graph.surgery import Graph

    lower_prelu(canonical(Graph.read(model))).write(path)
    return path


def _child(name: str, folder: Path, embedder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, str(folder), "--child", name, "--embedder", str(embedder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _measured(name: str, folder: Path, embedder: Path) -> dict[str, Any]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pairs = [
        sorted(person.iterdir())[:2] for person in sorted((folder / "photos").iterdir())[:_PAIRS]
    ]
    began = time.perf_counter()
    prepared = _insightface if name == "insightface" else _embedge
    verify = prepared(folder, embedder)
    first = verify(*map(str, pairs[0]))
    ready = time.perf_counter() - began
    taken, cosines = [], [first]
    for a, b in pairs:
        start = time.perf_counter()
        cosines.append(verify(str(a), str(b)))
        taken.append(time.perf_counter() - start)
    return {
        "import_load_first_s": ready,
        "verify_ms": [1e3 * seconds for seconds in taken],
        "peak_rss_mb": _peak_mb(),
        "cosines": cosines[1:],
    }


def _embedge(folder: Path, embedder: Path) -> Callable[[str, str], float]:
    from embedge.runtime import EmbeddingContract, OnnxDetector, OrtEncoder
    from embedge.runtime.picture.detect import Choice
    from embedge.runtime.picture.face_crop import FaceReader

    models = folder / "models"
    contract = EmbeddingContract(space="benchmark", model="benchmark", dim=512)
    encoder = OrtEncoder(embedder, contract, threads=1)
    detector = OnnxDetector(models / "scrfd_2.5g_bnkps.onnx", sizes=(SIZE,), threads=1)
    reader = FaceReader(contract, detector, Choice.CENTRAL)

    def verify(a: str, b: str) -> float:
        one, other = encoder.embed([reader.read(a).crop, reader.read(b).crop])
        return float(one @ other)

    return verify


def _insightface(folder: Path, embedder: Path) -> Callable[[str, str], float]:
    import cv2
    import numpy as np
    from insightface.app.common import Face
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX
    from insightface.model_zoo.scrfd import SCRFD

    cv2.setNumThreads(1)
    detector = SCRFD(str(folder / "models" / "scrfd_2.5g_bnkps.onnx"))
    detector.prepare(-1, input_size=(SIZE, SIZE), det_thresh=0.5)
    recogniser = ArcFaceONNX(str(embedder))

    def embedding(path: str) -> Any:
        image = cv2.imread(path)
        boxes, points = detector.detect(image)
        middle = np.array(image.shape[1::-1]) / 2
        centres = (boxes[:, :2] + boxes[:, 2:4]) / 2
        nearest = np.hypot(*(centres - middle).T).argmin()
        face = Face(bbox=boxes[nearest, :4], kps=points[nearest], det_score=boxes[nearest, 4])
        recogniser.get(image, face)
        return face.normed_embedding

    return lambda a, b: float(embedding(a) @ embedding(b))


def _peak_mb() -> float:
    """Of this program alone: what rusage tells begins with the size of the parent."""
    with Path("/proc/self/status").open() as lines:
        line = next(line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


def _joined(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    milliseconds = sorted(value for row in rows for value in row["verify_ms"])
    return {
        "verify_ms_p50": round(statistics.median(milliseconds), 2),
        "verify_ms_p90": round(milliseconds[int(0.9 * len(milliseconds))], 2),
        "n": len(milliseconds),
        "import_load_first_s": round(min(row["import_load_first_s"] for row in rows), 3),
        "peak_rss_mb": round(max(row["peak_rss_mb"] for row in rows), 1),
        "installed_mb": round(_installed_mb(_ROOTS[name]), 1),
        "mean_cosine": round(statistics.fmean(rows[0]["cosines"]), 4),
    }


def _installed_mb(roots: tuple[str, ...]) -> float:
    """The files of these packages and of everything they require."""
    waiting, seen, size = list(roots), set(), 0
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        files = [Path(str(each.locate())) for each in distribution.files or ()]
        size += sum(path.stat().st_size for path in files if path.is_file())
        required = [each for each in distribution.requires or () if "extra ==" not in each]
        waiting += [re.split(r"[ ;<>=!~\[(]", each)[0] for each in required]
    return size / 1e6


if __name__ == "__main__":
    main()
