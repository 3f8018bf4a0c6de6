"""Broken input, counted: every case must end in a result or in one error with a code.

    python benchmarks/fuzz.py [--seconds 60]

Each target runs in its own process, so that a crash of a parser is a finding and not the end.
"""

import argparse
import collections
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from provenance import provenance, write_result

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

Attempt = Callable[[random.Random], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--child", choices=tuple(_TARGETS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_tried(options.child, options.seconds)))
        return
    result = {target: _child(target, options.seconds) for target in _TARGETS}
    write_result("fuzz", {"provenance": provenance("pillow", "onnxruntime"), "targets": result})
    print(json.dumps(result, indent=2))


def _child(target: str, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", __file__, "--child", target, "--seconds"]
    done = subprocess.run([*command, str(seconds)], capture_output=True, text=True)
    if done.returncode != 0:
        return {"crashed": done.returncode, "said": done.stderr[-2000:]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _tried(target: str, seconds: float) -> dict[str, Any]:
    from embedge.errors import EmbedgeError

    outcomes: collections.Counter[str] = collections.Counter()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        attempt = _TARGETS[target](Path(folder))
        seed = 0
        while time.monotonic() < end:
            try:
                attempt(random.Random(seed))
                outcomes["accepted"] += 1
            except EmbedgeError as error:
                outcomes[error.code] += 1
            seed += 1
    return {"inputs": seed, "outcomes": dict(outcomes)}


def _broken(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, often near the beginning, and sometimes the end cut off."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        last = min(len(changed), dice.choice([64, 512, len(changed)]))
        changed[dice.randrange(last)] = dice.randrange(256)
    return bytes(changed[: dice.randrange(len(changed))] if dice.random() < 0.2 else changed)


def _pictures(folder: Path) -> Attempt:
    from embedge.runtime.images import rgb_from_picture

    texture = np.random.default_rng(0).integers(0, 256, (40, 56, 3)).astype(np.uint8)
    whole = []
    for form in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"):
        buffer = io.BytesIO()
        Image.fromarray(texture).save(buffer, form)
        whole.append(buffer.getvalue())
    return lambda dice: rgb_from_picture(_broken(dice.choice(whole), dice))


def _bundles(folder: Path) -> Attempt:
    from tiny_bundles import tiny_bundle

    from embedge.runtime import Bundle

    bundle = tiny_bundle(folder / "b.embedge", dim=8)
    files = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}

    def attempt(dice: random.Random) -> None:
        path = dice.choice(sorted(files))
        path.write_bytes(_broken(files[path], dice))
        try:
            Bundle.open(bundle).close()
        finally:
            path.write_bytes(files[path])

    return attempt


def _zips(folder: Path) -> Attempt:
    import shutil

    from tiny_bundles import tiny_bundle

    from embedge.runtime import Bundle

    bundle = tiny_bundle(folder / "b.embedge", dim=8)
    whole = Path(shutil.make_archive(str(folder / "b"), "zip", bundle)).read_bytes()
    target = folder / "broken.zip"

    def attempt(dice: random.Random) -> None:
        target.write_bytes(_broken(whole, dice))
        Bundle.open(target).close()

    return attempt


def _galleries(folder: Path) -> Attempt:
    from tiny_bundles import tiny_contract

    from embedge.runtime import Gallery

    contract, key, path = tiny_contract(16), bytes(32), folder / "g"
    with Gallery.create(path, contract, key=key) as gallery:
        rows = np.random.default_rng(0).normal(size=(6, 16)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        for number, row in enumerate(rows):
            gallery.enroll(f"p{number}", row, contract)
        people = gallery.people()
    whole = path.read_bytes()

    def attempt(dice: random.Random) -> None:
        path.write_bytes(_broken(whole, dice))
        with Gallery.open(path, key=key) as gallery:
            assert gallery.people() == people, "a broken gallery opened with other people"

    return attempt


def _detectors(folder: Path) -> Attempt:
    from tiny_detectors import constant_onnx, retinaface_outputs, scrfd_outputs, yunet_outputs

    from embedge.runtime import OnnxDetector
    from embedge.runtime.align import arcface_template

    box = np.array([8.0, 8.0, 120.0, 120.0])
    face = (box, np.array(arcface_template(112)) + 8, 0.9)
    made = (yunet_outputs([face]), scrfd_outputs([face]), retinaface_outputs([face]))
    whole = [constant_onnx(outputs) for outputs in made]
    picture = np.zeros((128, 128, 3), np.uint8)

    def attempt(dice: random.Random) -> None:
        OnnxDetector(_broken(dice.choice(whole), dice), threads=1).detect(picture)

    return attempt


_TARGETS: dict[str, Callable[[Path], Attempt]] = {
    "pictures": _pictures,
    "bundle folders": _bundles,
    "bundle zips": _zips,
    "gallery files": _galleries,
    "detector models": _detectors,
}


if __name__ == "__main__":
    main()
