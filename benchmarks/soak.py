"""Continuous use of one gallery: no wrong answer, no false alarm, no leak of files or memory.

    python benchmarks/soak.py [--minutes 5] [--processes 4] [--threads 4]

Every thread enrols people of its own, looks for them, for others and for strangers, erases them
and looks again; now and then one renews or compacts the gallery. Half the threads of a process
share one open gallery, the others have one each.
"""

import argparse
import json
import multiprocessing
import random
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from provenance import provenance, write_result

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.mending import check
from embedge.runtime.gallery.search.ranking import Ranked

DIM = 128
CONTRACT = EmbeddingContract("s" * 64, "m" * 64, DIM)
KEY = bytes(range(32))
_SHARES = {
    "enrol": 12,
    "identify": 40,
    "other": 15,
    "stranger": 5,
    "erase": 9,
    "renew": 1,
    "compact": 1,
}
_MOST_OWN = 30  # people a thread has enrolled at one time
_BOUND_MB = 16.0  # between the second and the last third: indexes come and go


@dataclass(slots=True)
class Tally:
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    samples: list[tuple[float, float, int]] = field(default_factory=list)
    left_open: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = soaked(
            Path(folder) / "g", options.minutes * 60, options.processes, options.threads
        )
    result = {"minutes": options.minutes, **result}
    write_result("soak", {"provenance": provenance("cryptography", "onnxruntime"), **result})
    print(json.dumps(result, indent=2))


def soaked(path: Path, seconds: float, processes: int, threads: int) -> dict[str, object]:
    """What was found in so many seconds with a new gallery."""
    Gallery.create(path, CONTRACT, key=KEY).close()
    tallies = _run(path, seconds, processes, threads)
    found = check(path, KEY)
    with Gallery.open(path, key=KEY) as gallery:
        left = len(gallery.people())
    wrong = [text for tally in tallies for text in tally.wrong] + found
    grown = [_grown_mb(tally) for tally in tallies]
    files = [[count for _, _, count in tally.samples] for tally in tallies]
    most = threads // 2 + 2  # each thread's own, the shared one, and one to look into
    return {
        "processes": processes,
        "threads": threads,
        "done": dict(sum((tally.done for tally in tallies), Counter())),
        "people_left": left,
        "wrong": wrong[:20],
        "grown_mb": grown,
        "open_files": [[min(counts), max(counts)] for counts in files],
        "open_files_after": [tally.left_open for tally in tallies],
        "well": not wrong
        and max(grown) < _BOUND_MB
        and all(max(counts) <= most for counts in files)
        and not any(tally.left_open for tally in tallies),
    }


def _run(path: Path, seconds: float, processes: int, threads: int) -> list[Tally]:
    context = multiprocessing.get_context("spawn")
    running = []
    for number in range(processes):
        receiving, sending = context.Pipe(duplex=False)
        arguments = (path, number, seconds, threads, sending)
        process = context.Process(target=_process, args=arguments)
        process.start()
        sending.close()
        running.append((process, receiving))
    tallies = [receiving.recv() for _, receiving in running]
    for process, _ in running:
        process.join()
    return tallies


def _process(path: Path, number: int, seconds: float, threads: int, answer: Connection) -> None:
    tally, lock, end = Tally(), threading.Lock(), time.monotonic() + seconds
    with Gallery.open(path, key=KEY, writable=True) as shared:
        own = [Gallery.open(path, key=KEY, writable=True) for _ in range(threads // 2)]
        galleries = [*own, *[shared] * (threads - len(own))]
        workers = [
            threading.Thread(target=_work, args=(gallery, f"{number}-{place}", end, tally, lock))
            for place, gallery in enumerate(galleries)
        ]
        for worker in workers:
            worker.start()
        while time.monotonic() < end:
            time.sleep(min(1.0, seconds / 50))
            tally.samples.append((time.monotonic(), _resident_mb(), _open_files(path)))
        for worker in workers:
            worker.join()
        for gallery in own:
            gallery.close()
    tally.left_open = _open_files(path)
    answer.send(tally)


def _work(gallery: Gallery, who: str, end: float, tally: Tally, lock: threading.Lock) -> None:
    dice, own, counter = random.Random(who), list[str](), 0
    while time.monotonic() < end:
        (kind,) = dice.choices(list(_SHARES), list(_SHARES.values()))
        wrong = ""
        try:
            if kind == "enrol" and len(own) < _MOST_OWN:
                name, counter = f"{who}-{counter}", counter + 1
                gallery.enroll(name, row_of(name), CONTRACT)
                own.append(name)
                wrong = _looked_for(gallery, name, there=True)
            elif kind == "erase" and own:
                name = own.pop(dice.randrange(len(own)))
                gallery.erase(name)
                wrong = _looked_for(gallery, name, there=False)
            elif kind == "renew":
                gallery.renew()
            elif kind == "compact":
                gallery.compact()
            elif kind == "other":
                wrong = look_for_another(gallery, who, dice)
            elif kind != "stranger" and own:
                kind, wrong = "identify", _looked_for(gallery, dice.choice(own), there=True)
            else:
                name = f"never enrolled {dice.getrandbits(63)}"
                kind, wrong = "stranger", _looked_for(gallery, name, there=False)
        except EmbedgeError as error:
            wrong = str(error)
        except Exception as error:  # whatever it is, it belongs into the report
            wrong = repr(error)
        with lock:
            tally.done[kind] += 1
            if wrong:
                tally.wrong.append(f"{who} {kind}: {wrong}")


def look_for_another(gallery: Gallery, who: str, dice: random.Random) -> str:
    """Somebody of another thread or process, who may be erased meanwhile: never to come again."""
    others = [name for name in gallery.people() if not name.startswith(f"{who}-")]
    if not others:
        return ""
    name = dice.choice(others)
    best = _best(gallery, name)
    if name in gallery.people():  # then it was there all the while
        return _told(name, best, there=True)
    return _told(name, best, there=None) or _looked_for(gallery, name, there=False)


def _looked_for(gallery: Gallery, name: str, *, there: bool) -> str:
    return _told(name, _best(gallery, name), there=there)


def _best(gallery: Gallery, name: str) -> Ranked | None:
    """Random people of 128 dimensions have cosines below 0.6."""
    (ranked,) = gallery.identify(row_of(name), CONTRACT, count=1)
    return ranked[0] if ranked and ranked[0].cosine >= 0.7 else None


def _told(name: str, best: Ranked | None, *, there: bool | None) -> str:
    """What is wrong with the answer; `there` is None where either may be."""
    if best is None:
        return f"{name} was not found" if there else ""
    right = there is not False and best.person == name and best.cosine > 0.999
    return "" if right else f"{name} was taken for {best}"


def row_of(name: str) -> np.ndarray:
    row = np.random.default_rng(list(name.encode())).normal(size=DIM).astype(np.float32)
    unit: np.ndarray = row / np.linalg.norm(row)
    return unit


def _grown_mb(tally: Tally) -> float:
    """Medians of the last and of the middle third: indexes fill at first."""
    memory = np.array([resident for _, resident, _ in tally.samples])
    _, middle, last = np.array_split(memory, 3)
    return round(float(np.median(last) - np.median(middle)), 1)


def _open_files(path: Path) -> int:
    """The journal, open for moments only, is left out."""
    return sum(1 for link in Path("/proc/self/fd").iterdir() if _target(link) == str(path))


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed since it was listed
        return ""


def _resident_mb() -> float:
    with Path("/proc/self/status").open() as lines:
        line = next(line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1e3


if __name__ == "__main__":
    main()
