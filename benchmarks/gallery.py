"""Exact 1:N search beside numpy and faiss: milliseconds, memory, recall.

    python benchmarks/gallery.py [--sizes 10000 100000 1000000] [--threads 1 2]

Every method runs in processes of its own on the same templates, the methods taking turns. Queries
are genuine probes: their cosine with their own template is drawn as real ones are (mean 0.65,
deviation 0.12, at least 0.3). Needs the extra `faiss`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance, write_result

DIM = 512
METHODS = (
    "embedge int8",
    "embedge float32",
    "embedge int8 on faiss",
    "numpy",
    "faiss Flat",
    "faiss SQ8",
)
BATCHES = (1, 16)
PASSES = {10_000: 5, 100_000: 3}
_ROUNDS, _SECONDS = (15, 200), 1.0
_CHUNK = 50_000
Search = Callable[[Any], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        method, folder, threads = options.child
        print(json.dumps(_measured(method, Path(folder), int(threads))))
        return
    rows: list[dict[str, Any]] = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            _make_data(Path(folder), size)
            for threads in options.threads:
                passes = [
                    [_child(method, folder, size, threads) for method in METHODS]
                    for _ in range(PASSES.get(size, 1))
                ]
                rows += [_median(runs) for runs in zip(*passes)]
    result = {"rows": rows, "verdict": _verdict(rows)}
    write_result("gallery", {"provenance": provenance("onnxruntime", "faiss-cpu"), **result})
    print(json.dumps(result["verdict"], indent=2))


def _median(runs: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Of several processes of one method; the lowest recall and the most memory count."""
    times = {
        batch: round(statistics.median(run["ms"][batch] for run in runs), 3)
        for batch in runs[0]["ms"]
    }
    worst = {
        "mb": max(run["mb"] for run in runs),
        "recall_at_1": min(run["recall_at_1"] for run in runs),
    }
    return {**runs[0], **worst, "ms": times, "processes": len(runs)}


def _make_data(folder: Path, size: int) -> None:
    random = np.random.default_rng(0)
    shape = (size, DIM)
    templates = np.lib.format.open_memmap(folder / "t.npy", "w+", np.float32, shape)
    for start in range(0, size, _CHUNK):
        part = random.standard_normal((min(_CHUNK, size - start), DIM), dtype=np.float32)
        templates[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    owners = random.choice(size, 256, replace=False)
    own = templates[owners].astype(np.float64)
    away = random.normal(size=own.shape)
    away -= (away * own).sum(axis=1, keepdims=True) * own
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    cosine = np.maximum(random.normal(0.65, 0.12, (256, 1)), 0.3).clip(max=0.95)
    queries = cosine * own + np.sqrt(1 - cosine**2) * away
    np.savez(folder / "q.npz", queries=queries.astype(np.float32), owners=owners)


def _child(method: str, folder: str, size: int, threads: int) -> dict[str, Any]:
    count = str(threads)
    limits = {"OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    command = [sys.executable, __file__, "--child", method, folder, count]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **limits}
    )
    row = {"method": method, "templates": size, "threads": threads, **json.loads(done.stdout)}
    print(row, flush=True)
    return row


def _measured(method: str, folder: Path, threads: int) -> dict[str, Any]:
    data = np.load(folder / "q.npz")
    queries, owners = data["queries"], data["owners"]
    _load_libraries()
    before = _resident()
    search = _SEARCHES[method](np.load(folder / "t.npy", mmap_mode="r"), threads)
    found = np.concatenate([search(queries[i : i + 16]) for i in range(0, len(queries), 16)])
    return {
        "mb": round((_resident() - before) / 1e6, 1),
        "recall_at_1": float((found == owners).mean()),
        "ms": {str(batch): _milliseconds(search, queries[:batch]) for batch in BATCHES},
    }


def _load_libraries() -> None:
    """Beside any of them: a device has its encoder running, and the templates are the question."""
    import faiss  # noqa: F401

    from embedge.runtime.gallery.search.segment import Segment

    Segment(np.zeros((1, DIM), np.int8)).codes()


def _milliseconds(search: Search, queries: Any) -> float:
    least, most = _ROUNDS
    taken: list[float] = []
    while len(taken) < least or (len(taken) < most and sum(taken) < _SECONDS):
        began = time.perf_counter()
        search(queries)
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken) * 1e3, 3)


def _embedge(rows: str, search: str = "onnxruntime") -> Callable[[Any, int], Search]:
    def prepared(templates: Any, threads: int) -> Search:
        from embedge.runtime.gallery.search.index import TemplateIndex
        from embedge.runtime.gallery.search.int8 import int8_from_float

        index = TemplateIndex(DIM, rows, threads, search)
        for start in range(0, len(templates), _CHUNK):
            part = np.array(templates[start : start + _CHUNK])
            names = [str(start + i) for i in range(len(part))]
            matrix = int8_from_float(part) if rows == "int8" else part
            index.add(names, matrix)
        return lambda queries: np.array([int(r[0].person) for r in index.search(queries, 1)])

    return prepared


def _numpy(templates: Any, _threads: int) -> Search:
    rows = np.array(templates)
    return lambda queries: (queries @ rows.T).argmax(axis=1)


def _faiss(kind: str) -> Callable[[Any, int], Search]:
    def prepared(templates: Any, threads: int) -> Search:
        import faiss

        faiss.omp_set_num_threads(threads)
        metric, quantizer = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer
        flat = kind == "Flat"
        index = (
            faiss.IndexFlatIP(DIM)
            if flat
            else faiss.IndexScalarQuantizer(DIM, quantizer.QT_8bit_direct_signed, metric)
        )
        scale = np.float32(1.0 if flat else 736.0)
        for start in range(0, len(templates), _CHUNK):
            part = templates[start : start + _CHUNK] * scale
            index.add(part if flat else np.clip(np.rint(part), -127, 127))
        # a signed-byte index rounds its queries too, so they need the same scale
        return lambda queries: index.search(np.rint(queries * scale) if not flat else queries, 1)[
            1
        ][:, 0]

    return prepared


_SEARCHES: dict[str, Callable[[Any, int], Search]] = {
    "embedge int8": _embedge("int8"),
    "embedge float32": _embedge("float32"),
    "embedge int8 on faiss": _embedge("int8", "faiss"),
    "numpy": _numpy,
    "faiss Flat": _faiss("Flat"),
    "faiss SQ8": _faiss("SQ8"),
}


def _resident() -> int:
    with Path("/proc/self/status").open() as lines:
        line = next(line for line in lines if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def _verdict(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ours in int8 against the best of the others, at every size, thread count and batch."""
    verdict = []
    for size, threads in sorted({(row["templates"], row["threads"]) for row in rows}):
        group = {
            row["method"]: row
            for row in rows
            if (row["templates"], row["threads"]) == (size, threads)
        }
        ours = group["embedge int8"]
        others = [group[name] for name in ("numpy", "faiss Flat", "faiss SQ8")]
        ratio = {
            batch: round(ours["ms"][batch] / min(row["ms"][batch] for row in others), 2)
            for batch in ours["ms"]
        }
        verdict.append(
            {
                "templates": size,
                "threads": threads,
                "times_the_best_other": ratio,
                "of_numpys_memory": round(ours["mb"] / group["numpy"]["mb"], 2),
                "recall_at_1": ours["recall_at_1"],
            }
        )
    return verdict


if __name__ == "__main__":
    main()
