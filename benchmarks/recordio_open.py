"""How long a million records take to be opened, and how much memory.

    python benchmarks/recordio_open.py [--records 1000000] [--bytes 1024]

Claim: five seconds and one gigabyte for a million. The file is made here: real framing and headers,
and bytes that are nobody's picture behind them. Opened in a process of its own, whose peak is told.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from provenance import provenance, write_result

from embedge.train.data.sources.recordio import MAGIC, packed, write_record

PEOPLE, CHUNK = 18_000, 10_000

_OPEN = """
import json, sys, time
from embedge.train.data import open_faces
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
before, began = peak(), time.perf_counter()
faces = open_faces(sys.argv[1])
seconds = time.perf_counter() - began
print(json.dumps({"records": len(faces), "people": faces.classes, "seconds": round(seconds, 2),
                  "peak_bytes": peak(), "peak_before": before}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--bytes", type=int, default=1024)
    parser.add_argument("--out", default="recordio_open")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_records(Path(name), options.records, options.bytes)
        found = opened(Path(name))
    found["held"] = found["seconds"] <= 5 and found["peak_bytes"] <= 1e9
    print(found)
    write_result(options.out, {"provenance": provenance(), **found})
    return 0


def write_records(folder: Path, count: int, size: int) -> None:
    """A head, pictures of `size` bytes, and a record per person, as insightface packs them."""
    frame, people = 8 + 24 + size, min(PEOPLE, count)
    dtype = np.dtype(
        [
            ("magic", "<u4"),
            ("length", "<u4"),
            ("flag", "<u4"),
            ("label", "<f4"),
            ("ids", "<u8", 2),
            ("picture", "u1", size),
        ]
    )
    assert dtype.itemsize == frame
    assert frame % 4 == 0
    labels = np.sort(np.arange(count) % people)
    with (folder / "train.rec").open("wb") as stream:
        first = count + 1
        head = (float(first), float(first + people))
        offsets = [write_record(stream, packed(head, 0, b"", array=True))]
        begin = stream.tell()
        for low in range(0, count, CHUNK):
            part = np.zeros(min(CHUNK, count - low), dtype)
            part["magic"], part["length"] = MAGIC, frame - 8
            part["label"] = labels[low : low + CHUNK]
            part["picture"][:, 0] = 1 + np.arange(len(part)) % 200
            part.tofile(stream)
        offsets += (begin + frame * np.arange(count)).tolist()
        for label in range(people):
            record = packed((1.0, 1.0), label, b"", array=True)
            offsets.append(write_record(stream, record))
    index = "".join(f"{key}\t{offset}\n" for key, offset in enumerate(offsets))
    (folder / "train.idx").write_text(index)
    (folder / "property").write_text(f"{people},112,112\n")


def opened(folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, str(folder)], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
