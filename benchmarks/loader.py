"""How fast stored faces become training batches.

    python benchmarks/loader.py [--workers 2]

Claim: at least 3,500 decoded 112x112 JPEGs a second on two cores. First the decoders by themselves,
on one core, on the same JPEGs; then whole batches from a RecordIO file on disk, as bytes, read and
decoded by worker processes: they are changed where the network is. `benchmarks/fed_gpus.py` says
for how many GPUs that is enough.
"""

import argparse
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from provenance import provenance, write_result

from embedge.optional import available
from embedge.progress import Progress
from embedge.train.data import open_faces
from embedge.train.data.feeding.batches import Batches
from embedge.train.data.feeding.feed import feed
from embedge.train.data.tools.convert import convert
from embedge.train.render import FaceRenderer, render_stream

CLAIM = 3500.0
ROUNDS = 7
BATCH = 128

Decode = Callable[[bytes], np.ndarray]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--faces", type=int, default=1024)
    parser.add_argument("--batches", type=int, default=150)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        faces = _recordio(Path(name), options.faces, options.workers)
        stored = [faces.encoded(index) for index in range(len(faces))]
        decoders = _decoders(stored)
        speed = _fed(faces, options.workers, options.batches)
    result = {
        "claim": {"faces_per_second": CLAIM},
        "batches": speed,
        "decoders_one_core": decoders,
        "mean_bytes": round(float(np.mean([len(data) for data in stored]))),
        "held": speed["faces_per_second"] >= CLAIM,
    }
    packages = ("torch", "pillow", "simplejpeg", "PyTurboJPEG", "opencv-python-headless")
    write_result("loader", {"provenance": provenance(*packages), **result})
    for key, value in (("batches", speed), *decoders.items()):
        print(f"{key}: {value}")
    return 0


def _recordio(folder: Path, count: int, workers: int) -> Any:
    """Rendered faces, stored as JPEGs of quality 95 with halved colours, as training sets are."""
    people = np.arange(count) // 8
    parts = render_stream(FaceRenderer(), people, np.arange(count) % 8, workers=workers)
    images = np.concatenate([part.images for part in parts])
    stored = folder / "stored"
    for number, image in enumerate(images):
        path = stored / f"{people[number]:05d}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, quality=95)
    convert(
        open_faces(stored),
        folder / "rec",
        "recordio",
        Progress(quiet=True),
        quality=95,
        per_shard=4096,
    )
    return open_faces(folder / "rec")


def _decoders(stored: list[bytes]) -> dict[str, Any]:
    """Medians of interleaved rounds, so that a busy moment hits all of them."""
    known = _known_decoders()
    seconds: dict[str, list[float]] = {name: [] for name in known}
    for _ in range(ROUNDS):
        for name, decode in known.items():
            began = time.perf_counter()
            for data in stored:
                decode(data)
            seconds[name].append(time.perf_counter() - began)
    reference = np.stack([known["pillow"](data) for data in stored]).astype(int)
    return {
        name: {
            "faces_per_second": round(len(stored) / float(np.median(times))),
            "largest_difference_from_pillow": _difference(known[name], stored, reference),
        }
        for name, times in seconds.items()
    }


def _difference(decode: Decode, stored: list[bytes], reference: np.ndarray) -> int:
    return int(np.abs(np.stack([decode(data) for data in stored]) - reference).max())


def _known_decoders() -> dict[str, Decode]:
    """Those that are installed here; each gives RGB."""
    known: dict[str, Decode] = {"pillow": _pillow}
    if available("simplejpeg"):
        import simplejpeg

        known["simplejpeg"] = lambda data: simplejpeg.decode_jpeg(data, "RGB")
    if available("cv2"):
        import cv2

        cv2.setNumThreads(1)
        known["opencv"] = lambda data: cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB
        )
    turbo = _turbojpeg()
    if turbo is not None:
        known["PyTurboJPEG"] = turbo
    return known


def _turbojpeg() -> Decode | None:
    """PyTurboJPEG needs a libturbojpeg of the system."""
    if not available("turbojpeg"):
        return None
    import turbojpeg

    try:
        library = turbojpeg.TurboJPEG()
    except (OSError, RuntimeError):
        return None
    return lambda data: library.decode(data, pixel_format=turbojpeg.TJPF_RGB)


def _pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _fed(faces: Any, workers: int, batches: int) -> dict[str, Any]:
    """Clocked from the tenth batch on: starting the workers does not count. The processors' own
    time, of all batches and all processes, is told too: a busy machine hardly changes it."""
    spent = _processor_seconds()
    stream = feed(Batches(faces, BATCH, seed=0, flip=True), 0, batches, workers=workers, say=print)
    for _ in range(10):
        next(stream)
    began = time.perf_counter()
    count = sum(len(batch.images) for batch in stream)
    seconds = time.perf_counter() - began
    spent = _processor_seconds() - spent
    return {
        "workers": workers,
        "faces": count,
        "seconds": round(seconds, 3),
        "faces_per_second": round(count / seconds, 1),
        "faces_per_processor_second": round(batches * BATCH / spent, 1),
    }


def _processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    sys.exit(main())
