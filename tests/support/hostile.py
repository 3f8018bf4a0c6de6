"""A thousand seeded hostile inputs for each parser, run in a process of its own that is measured.

`python hostile.py PARSER FOLDER` prints one JSON line: how many were taken and refused, the codes,
the slowest one in seconds, and how far memory grew.
"""

import io
import json
import resource
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from embedge.errors import EmbedgeError

COUNT = 1000
Random = np.random.Generator
Attempt = Callable[[], object]
ODD = [0, -1, 1, 2**31, 2**63, -(2**63), 1e308, float("nan"), float("inf"), True, None, "", [], {}]


def pictures(_: Path) -> Iterator[Attempt]:
    from PIL import Image

    from embedge.runtime.picture.images import rgb_from_picture

    def whole(form: str, mode: str, random: Random) -> bytes:
        side = int(random.choice([1, 17, 300]))
        image = Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).convert(mode)
        stream = io.BytesIO()
        image.save(stream, form)
        return stream.getvalue()

    forms = [
        *((form, "RGB") for form in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")),
        *((form, "L") for form in ("JPEG", "PNG", "GIF", "TIFF")),
        *(("PNG", mode) for mode in ("P", "LA", "RGBA", "I", "1")),
        *(("TIFF", mode) for mode in ("CMYK", "I;16", "I", "F", "LAB")),
    ]
    for seed in range(COUNT):
        random = np.random.default_rng(seed)
        try:
            data = bytearray(whole(*forms[seed % len(forms)], random))
        except (ValueError, KeyError, OSError):
            data = bytearray(whole("PNG", "RGB", random))
        head = min(len(data), 80)
        for place in random.integers(0, head, random.integers(1, 6)):
            data[place] = random.integers(0, 256)
        if seed % 3 == 0:  # sizes are four bytes somewhere in the head
            place = int(random.integers(0, head))
            data[place : place + 4] = random.choice(
                [b"\xff" * 4, b"\0\0\xff\xff", b"\x7f\xff\xff\xff"]
            )
        cut = random.integers(1, len(data) + 1) if seed % 4 == 0 else len(data)
        yield partial(rgb_from_picture, bytes(data[:cut]))


def detections(_: Path) -> Iterator[Attempt]:
    from embedge.runtime.picture.detect import Choice, chosen_face
    from embedge.runtime.picture.detect.candidates import Candidates, suppressed
    from embedge.runtime.picture.detect.heads import head_of

    def shapes(kind: int, side: int) -> dict[str, tuple[int, ...]]:
        cells = {stride: (side // stride) ** 2 for stride in (8, 16, 32)}
        if kind == 0:
            widths = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
            return {f"{k}_{s}": (1, n, w) for k, w in widths.items() for s, n in cells.items()}
        if kind == 1:
            return {f"{w}_{s}": (2 * n, w) for w in (1, 4, 10) for s, n in cells.items()}
        priors = 2 * sum(cells.values())
        return {"loc": (1, priors, 4), "conf": (1, priors, 2), "landms": (1, priors, 10)}

    def numbers(shape: tuple[int, ...], random: Random) -> np.ndarray:
        scale = random.choice([1.0, 1e3, 1e38])
        values = (random.random(shape, np.float32) * np.float32(scale)).astype(np.float32)
        spots = random.random(shape) < random.choice([0, 0.001, 0.5])
        values[spots] = random.choice([np.nan, np.inf, -np.inf, -1.0, 0.9])
        return values

    def attempt(seed: int) -> object:
        random = np.random.default_rng(seed)
        side = int(random.choice([32, 64, 320, 640], p=[0.4, 0.3, 0.2, 0.1]))
        outputs = {name: numbers(s, random) for name, s in shapes(seed % 3, side).items()}
        if seed % 7 == 0:
            name = random.choice(list(outputs))
            outputs[name] = outputs[name][..., : random.integers(0, 3)]
        head = head_of({name: list(value.shape) for name, value in outputs.items()})
        with np.errstate(over="ignore", invalid="ignore"):
            found = head.candidates(outputs, side, side).above(0.1).scaled(2.5)
        faces = suppressed(Candidates.joined([found]), 0.4).faces()
        assert len(faces) <= 2000
        assert all(np.isfinite(face.box).all() for face in faces)
        return chosen_face(faces, Choice.LARGEST, (1, 1))

    for seed in range(COUNT):
        yield partial(attempt, seed)


def manifests(folder: Path) -> Iterator[Attempt]:
    from tiny_bundles import tiny_bundle, tiny_threshold

    from embedge.runtime.bundle.bundle import MANIFEST, SEAL, Bundle, seal_of

    extras = {
        "thresholds": {"fp32": [tiny_threshold(0.6).to_json()]},
        "detector": {"file": "engines/note.txt", "sizes": [128], "score": 0.5},
    }
    bundle = tiny_bundle(folder / "m.embedge", extras=extras)
    text = (bundle / MANIFEST).read_bytes()

    def attempt(seed: int) -> object:
        data = _misstated(text, np.random.default_rng(seed))
        (bundle / MANIFEST).write_bytes(data)
        (bundle / SEAL).write_bytes(seal_of(data))
        with Bundle.open(bundle) as opened:
            threshold = opened.artifact().threshold
            assert threshold is None or -1 <= threshold.value <= 1
            return opened

    for seed in range(COUNT):
        yield partial(attempt, seed)


def _misstated(text: bytes, random: Random) -> bytes:
    if random.random() < 0.15:
        data = bytearray(text)
        for place in random.integers(0, len(data), 4):
            data[place] = random.integers(0, 256)
        return bytes(data)
    if random.random() < 0.1:
        return random.choice([b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000, b'"' * 9, b"null"])
    value = json.loads(text)
    for _ in range(random.integers(1, 4)):
        place = value
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[random.integers(len(keys))]
            if not isinstance(place[key], dict | list) or random.random() < 0.2:
                place[key] = ODD[random.integers(len(ODD))]
                break
            place = place[key]
    return json.dumps(value).encode()


def bundles(folder: Path) -> Iterator[Attempt]:
    from tiny_bundles import tiny_bundle

    from embedge.runtime.bundle.bundle import Bundle

    source = tiny_bundle(folder / "b.embedge", dim=8, files={"zeros": bytes(1 << 20)})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(source).as_posix())
    whole = stream.getvalue()
    listed = whole.index(b"PK\x01\x02")
    target = folder / "b.zip"

    def attempt(seed: int) -> object:
        random = np.random.default_rng(seed)
        data = bytearray(whole)
        low = listed if seed % 3 else 0  # the list of entries, or anywhere
        for place in random.integers(low, len(data), random.integers(1, 8)):
            data[place] = random.choice([0, 1, 0x7F, 0xFF, int(random.integers(0, 256))])
        if seed % 5 == 0:
            del data[random.integers(0, len(data)) :]
        target.write_bytes(bytes(data))
        with Bundle.open(target) as opened:
            return opened

    for seed in range(COUNT):
        yield partial(attempt, seed)


def models(_: Path) -> Iterator[Attempt]:
    from outside_files import ATTACKS
    from tiny_bundles import tiny_contract, tiny_onnx

    from embedge.runtime.encoders.sessions import graph_facts

    sources = [tiny_onnx(tiny_contract(8)), *(make() for make in ATTACKS.values())]
    for seed in range(COUNT):
        random = np.random.default_rng(seed)
        data = bytearray(sources[seed % len(sources)])
        for place in random.integers(0, min(len(data), 300), random.integers(1, 4)):
            data[place] = random.choice([0, 0x7F, 0x80, 0xFF, int(random.integers(0, 256))])
        yield partial(graph_facts, bytes(data))


PARSERS = {each.__name__: each for each in (pictures, detections, manifests, bundles, models)}


def peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measured(attempts: Iterator[Attempt]) -> dict[str, object]:
    codes: Counter[str] = Counter()
    slowest, before = 0.0, 0
    for number, attempt in enumerate(attempts):
        if number == 1:  # whatever is imported on the way is imported by now
            before = peak_bytes()
        began = time.process_time()
        try:
            attempt()
            codes["taken"] += 1
        except EmbedgeError as error:  # anything else ends this process, and fails the test
            codes[error.code] += 1
        slowest = max(slowest, time.process_time() - began)
    return {"codes": codes, "slowest": slowest, "grew": peak_bytes() - before}


if __name__ == "__main__":
    print(json.dumps(measured(PARSERS[sys.argv[1]](Path(sys.argv[2])))))
