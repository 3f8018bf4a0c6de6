"""A gallery's file beside one of SQLite alone: create, enrol, open, identify, erase.

    python benchmarks/gallery_file.py [--sizes 1000 10000 100000 1000000]

Each store runs in processes of its own, the stores taking turns, with one template of one byte a
dimension for every person. `sealed` is a gallery under a key, `open` one without, `sqlite` a table
of names and templates with the same journal, synced as often and wiped as well, searched by numpy:
what the guarantees cost is the ratio to it. Processor time, as others may compute beside it.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from provenance import provenance, write_result

from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.search.int8 import int8_from_float
from embedge.runtime.gallery.search.segment import Segment
from embedge.runtime.gallery.storage.database import PRAGMAS

DIM = 512
STORES = ("sealed", "open", "sqlite")
ROUNDS = {1_000_000: 1, 100_000: 2}
_CHUNK, _REPEATS = 50_000, 9
_CONTRACT = EmbeddingContract("s" * 64, "m" * 64, DIM)
_KEY = bytes(range(32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        store, size = options.child
        print(json.dumps(_measured(store, int(size))))
        return
    rows = []
    for size in options.sizes:
        runs = [[_child(store, size) for store in STORES] for _ in range(ROUNDS.get(size, 3))]
        rows += [_median(store, size, each) for store, each in zip(STORES, zip(*runs))]
    verdict = [_ratios(size, rows) for size in options.sizes]
    result = {"provenance": provenance("cryptography", "onnxruntime"), "rows": rows}
    write_result("gallery_file", {**result, "times_sqlite_alone": verdict})
    print(json.dumps(verdict, indent=2))


def _child(store: str, size: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", store, str(size)]
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **one}
    )
    print(store, size, done.stdout.strip(), flush=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _median(store: str, size: int, runs: tuple[dict[str, float], ...]) -> dict[str, Any]:
    times = {name: round(statistics.median(run[name] for run in runs), 4) for name in runs[0]}
    return {"store": store, "people": size, "processes": len(runs), **times}


def _ratios(size: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    of = {row["store"]: row for row in rows if row["people"] == size}
    names = [name for name in of["sqlite"] if name.endswith("_ms")]
    return {
        "people": size,
        **{
            store: {name[:-3]: round(of[store][name] / of["sqlite"][name], 2) for name in names}
            for store in ("sealed", "open")
        },
    }


class Store(Protocol):
    def enroll(self, names: list[str], rows: Any) -> None: ...
    def identify(self, row: Any) -> str: ...
    def erase(self, name: str) -> None: ...
    def close(self) -> None: ...


class OfGallery:
    def __init__(self, path: Path, *, new: bool, key: bytes | None) -> None:
        if new:
            make = Gallery.create
            self._gallery = make(path, _CONTRACT, key=key, rows="int8", unencrypted=key is None)
        else:
            self._gallery = Gallery.open(path, key=key, writable=True)
        self.close = self._gallery.close

    def enroll(self, names: list[str], rows: Any) -> None:
        self._gallery.enroll(names, rows, _CONTRACT)

    def identify(self, row: Any) -> str:
        return self._gallery.identify(row, _CONTRACT, count=1)[0][0].person

    def erase(self, name: str) -> None:
        self._gallery.erase(name)


class OfSqlite:
    def __init__(self, path: Path, *, new: bool) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self.close = self._connection.close
        for pragma in PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")
        if new:
            self._connection.execute("CREATE TABLE face (name TEXT PRIMARY KEY, row BLOB)")
        self._names: list[str] = []
        self._matrix = np.empty((0, DIM), np.float32)
        found = self._connection.execute("SELECT name, row FROM face").fetchall()
        self._take([name for name, _ in found], b"".join(row for _, row in found))

    def _take(self, names: list[str], data: bytes) -> None:
        rows = np.frombuffer(data, np.int8).reshape(-1, DIM).astype(np.float32)
        self._matrix = np.concatenate([self._matrix, rows]) if len(self._matrix) else rows
        self._names += names

    def enroll(self, names: list[str], rows: Any) -> None:
        codes = int8_from_float(rows)
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            pairs = ((name, row.tobytes()) for name, row in zip(names, codes))
            self._connection.executemany("INSERT INTO face VALUES (?, ?)", pairs)
        self._take(names, codes.tobytes())

    def identify(self, row: Any) -> str:
        return self._names[int((self._matrix @ row[0]).argmax())]

    def erase(self, name: str) -> None:
        self._connection.execute("DELETE FROM face WHERE name = ?", (name,))
        place = self._names.index(name)
        self._matrix[place], self._names[place] = 0, ""


def _opened(store: str, path: Path, *, new: bool) -> Store:
    if store == "sqlite":
        return OfSqlite(path, new=new)
    return OfGallery(path, new=new, key=_KEY if store == "sealed" else None)


def _measured(store: str, size: int) -> dict[str, float]:
    Segment(np.zeros((1, DIM), np.int8)).codes()  # onnxruntime is loaded: a device has it running
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g"
        _opened(store, Path(folder) / "first", new=True).close()  # and so are the others
        times: dict[str, float] = {}
        place, times["create_ms"] = _timed(lambda: _opened(store, path, new=True))
        times["bulk_per_1000_ms"] = 0.0
        for names, rows in _people(size):
            taken = _timed(lambda names=names, rows=rows: place.enroll(names, rows))[1]
            times["bulk_per_1000_ms"] += taken * 1000 / size
        place.close()
        place, times["open_ms"] = _timed(lambda: _opened(store, path, new=False))
        more = _rows(99, 2 * _REPEATS)[:, None]
        place.identify(more[0])
        answers = [_timed(lambda row=row: place.identify(row)) for row in more[:_REPEATS]]
        times["identify_ms"] = statistics.median(taken for _, taken in answers)
        one = [_timed(lambda n=n: place.enroll([f"new {n}"], more[n]))[1] for n in range(_REPEATS)]
        assert place.identify(more[0]) == "new 0"
        gone = [_timed(lambda n=n: place.erase(f"new {n}"))[1] for n in range(1 + (size < 10**5))]
        assert place.identify(more[0]) != "new 0"
        times["enrol_one_ms"], times["erase_ms"] = statistics.median(one), statistics.median(gone)
        place.close()
        return {**times, "mb": path.stat().st_size / 1e6}


def _timed(act: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    return act(), (time.process_time() - began) * 1e3


def _people(size: int) -> Iterator[tuple[list[str], Any]]:
    for start in range(0, size, _CHUNK):
        count = min(_CHUNK, size - start)
        yield [f"person {start + i:07}" for i in range(count)], _rows(start, count)


def _rows(seed: int, count: int) -> Any:
    rows = np.random.default_rng(seed).standard_normal((count, DIM), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
