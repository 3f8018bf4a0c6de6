"""A large gallery over a bridge, back, and for good: seconds of CPU and of the clock.

    python benchmarks/migrate.py [--templates 1000000] [--rows float32] [--folder DIR]

One template a person, 512 dimensions over to 128 (or the other way round), over a kernel map of
1,500 centres, which is the dearest kind that `embedge bridge` fits.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance, write_result

from embedge.runtime.bridge import Bridge, End, Hidden
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.migration.going import forget, go_back, migrate
from embedge.runtime.threshold import Threshold

KEY = bytes(range(32))
CENTRES = 1500
CHUNK = 50_000


def unit(seed: int, count: int, dim: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def kernel_map(old: EmbeddingContract, new: EmbeddingContract) -> Bridge:
    draw = np.random.default_rng(0)
    centres = 3 * unit(1, CENTRES, old.dim)
    outward = draw.normal(size=(new.dim, CENTRES)).astype(np.float32) / CENTRES
    hidden = Hidden("exp", centres, np.full(CENTRES, -3, np.float32), outward)
    linear = draw.normal(size=(new.dim, old.dim)).astype(np.float32) / np.sqrt(old.dim)
    gauge = draw.normal(size=1 + old.dim + CENTRES).astype(np.float32) / 100
    limit = Threshold(0.4, 1e-4, 5e-5, 1e-4, 0.95, 10**6, 900, "made up", "bridged")
    offset = np.zeros(new.dim, np.float32)
    ends = End.of(old), End.of(new)
    return Bridge(*ends, linear.astype(np.float32), offset, hidden, gauge, limit)


def timed(name: str, done: dict[str, Any], work: Callable[[], object]) -> None:
    """What was measured so far is written, for the whole takes minutes."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    done[name] = {
        "seconds": round(time.perf_counter() - clock, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
    }
    print(name, done[name], flush=True)
    write_result("migrate", done)


def measured(path: Path, options: argparse.Namespace) -> None:
    old = EmbeddingContract("old", "o" * 64, options.old_dim)
    new = EmbeddingContract("new", "n" * 64, options.new_dim)
    over, asked = kernel_map(old, new), ("templates", "rows", "old_dim", "new_dim")
    found = {"provenance": provenance("numpy"), **{key: vars(options)[key] for key in asked}}
    gallery = Gallery.create(path, old, key=KEY, rows=options.rows)

    def fill() -> None:
        for start in range(0, options.templates, CHUNK):
            count = min(CHUNK, options.templates - start)
            names = [f"person {n:07}" for n in range(start, start + count)]
            gallery.enroll(names, unit(start, count, old.dim), old)

    with gallery:
        timed("enrol", found, fill)
    found["bytes"] = path.stat().st_size
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        timed("migrate", found, lambda: migrate(gallery, over, new))
        found["bytes_with_both"] = path.stat().st_size
        timed("open anew", found, lambda: len(gallery))
        probe = over.apply(unit(0, 100, old.dim))
        ranked = gallery.identify(probe, new, count=1)
        found["found"] = sum(best.person == f"person {n:07}" for n, (best,) in enumerate(ranked))
        timed("go back", found, lambda: go_back(gallery))
        timed("over again", found, lambda: migrate(gallery, over, new))
        timed("forget the old ones", found, lambda: forget(gallery))
    found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    write_result("migrate", found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--templates", type=int, default=1_000_000)
    parser.add_argument("--rows", choices=("float32", "int8"), default="float32")
    parser.add_argument("--old-dim", type=int, default=512)
    parser.add_argument("--new-dim", type=int, default=128)
    parser.add_argument("--folder", type=Path, help="where there is room for ten times the rows")
    options = parser.parse_args()
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measured(Path(folder) / "g", options)


if __name__ == "__main__":
    main()
