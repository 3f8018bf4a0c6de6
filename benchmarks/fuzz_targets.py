"""What is fuzzed: whole inputs to start from, and what is done with a broken one."""

import io
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

__all__ = ["TARGETS", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """`attempt(number, data)`: `data` is a broken form of `whole[number]`, or anything at all."""

    whole: list[bytes]
    attempt: Callable[[int, bytes], object]


def _pictures(folder: Path) -> Target:
    from embedge.runtime.picture.images import rgb_from_picture

    texture = np.random.default_rng(0).integers(0, 256, (40, 56, 3)).astype(np.uint8)
    whole = []
    for form in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"):
        buffer = io.BytesIO()
        Image.fromarray(texture).save(buffer, form)
        whole.append(buffer.getvalue())
    return Target(whole, lambda number, data: rgb_from_picture(data))


def _bundles(folder: Path) -> Target:
    from tiny_bundles import tiny_bundle

    from embedge.runtime import Bundle

    bundle = tiny_bundle(folder / "b.embedge", dim=8)
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    whole = [path.read_bytes() for path in files]

    def attempt(number: int, data: bytes) -> None:
        files[number].write_bytes(data)
        try:
            Bundle.open(bundle).close()
        finally:
            files[number].write_bytes(whole[number])

    return Target(whole, attempt)


def _manifests(folder: Path) -> Target:
    from tiny_bundles import tiny_bundle

    from embedge.runtime import Bundle

    bundle = tiny_bundle(folder / "b.embedge", dim=8)
    manifest = bundle / "manifest.json"

    def attempt(number: int, data: bytes) -> None:
        manifest.write_bytes(data)
        Bundle.open(bundle).close()

    return Target([manifest.read_bytes()], attempt)


def _zips(folder: Path) -> Target:
    from tiny_bundles import tiny_bundle

    from embedge.runtime import Bundle

    bundle = tiny_bundle(folder / "b.embedge", dim=8)
    whole = Path(shutil.make_archive(str(folder / "b"), "zip", bundle)).read_bytes()
    target = folder / "broken.zip"

    def attempt(number: int, data: bytes) -> None:
        target.write_bytes(data)
        Bundle.open(target).close()

    return Target([whole], attempt)


def _galleries(folder: Path) -> Target:
    from tiny_bundles import tiny_contract

    from embedge.runtime import Gallery

    contract, path = tiny_contract(16), folder / "g"
    rows = np.random.default_rng(0).normal(size=(6, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    keys, whole = (bytes(32), None), []
    people = [f"p{number}" for number in range(len(rows))]
    for key in keys:
        with Gallery.create(path, contract, key=key, unencrypted=key is None) as gallery:
            for name, row in zip(people, rows):
                gallery.enroll(name, row, contract)
        whole.append(path.read_bytes())
        path.unlink()

    def attempt(number: int, data: bytes) -> None:
        path.write_bytes(data)
        with Gallery.open(path, key=keys[number]) as gallery:
            assert gallery.people() == people, "a broken gallery opened with other people"

    return Target(whole, attempt)


def _carved(folder: Path) -> Target:
    """Recovery reads pages that SQLite would refuse."""
    from tiny_bundles import tiny_contract

    from embedge.runtime import Gallery
    from embedge.runtime.gallery.storage.carving import carved
    from embedge.runtime.gallery.storage.raw import raw

    contract, path = tiny_contract(16), folder / "carved"
    with Gallery.create(path, contract, key=bytes(32)) as gallery:
        gallery.enroll("ann", np.tile(np.eye(16, dtype=np.float32), (30, 1)), contract)
    whole = path.read_bytes()

    def attempt(number: int, data: bytes) -> None:
        path.write_bytes(data)
        with raw(path) as file:
            assert sum(1 for _ in carved(file)) <= len(data) // 2

    return Target([whole], attempt)


def _detectors(folder: Path) -> Target:
    from tiny_detectors import constant_onnx

    whole = [constant_onnx(outputs) for outputs in _planted()]
    return Target(whole, lambda number, data: _detected(data))


def _detector_outputs(folder: Path) -> Target:
    """Well-formed models whose outputs have other names, shapes and values than any head has."""
    from tiny_detectors import constant_onnx

    heads = _planted()

    def attempt(number: int, data: bytes) -> None:
        outputs = {name: value.astype(np.float32) for name, value in heads[number].items()}
        for place in range(0, min(len(data), 24) - 5, 6):
            _edited(outputs, data[place : place + 6])
        if outputs:
            _detected(constant_onnx(outputs))

    return Target([bytes(12)] * len(heads), attempt)


def _planted() -> list[dict[str, Any]]:
    from tiny_detectors import retinaface_outputs, scrfd_outputs, yunet_outputs

    from embedge.runtime.contract import ARCFACE_112

    face = (np.array([8.0, 8.0, 120.0, 120.0]), np.array(ARCFACE_112) + 8, 0.9)
    scrfd = [
        scrfd_outputs([face], levels=levels, landmarks=landmarks, rank=rank)
        for levels in (3, 5)
        for landmarks in (False, True)
        for rank in (2, 3)
    ]
    return [yunet_outputs([face]), retinaface_outputs([face]), *scrfd]


def _edited(outputs: dict[str, Any], edit: bytes) -> None:
    what, which, *numbers = edit
    names = sorted(outputs)
    if not names:
        return
    name = names[which % len(names)]
    value = outputs[name]
    match what % 6:
        case 0:
            del outputs[name]
        case 1:
            outputs[f"{name}{chr(97 + numbers[0] % 26)}"] = outputs.pop(name)
        case 2:
            outputs[name] = np.resize(value, [n % 20 for n in numbers[: 1 + numbers[3] % 4]])
        case 3:
            outputs[name] = value[None] if numbers[0] % 2 else value.T
        case 4:
            strange = (np.nan, np.inf, -np.inf, 3e38, -3e38, 88.0, 1e-45, 1.0)
            value.flat[:: 1 + numbers[1]] = strange[numbers[0] % len(strange)]
        case 5:
            cut = tuple(
                slice(None, max(1, side - number % 3)) for side, number in zip(value.shape, numbers)
            )
            outputs[name] = np.asarray(value[cut])


def _detected(model: bytes) -> None:
    from embedge.runtime import OnnxDetector

    picture = np.zeros((128, 128, 3), np.uint8)
    with OnnxDetector(model, threads=1) as detector:
        for face in detector.detect(picture):
            assert np.isfinite([*face.box, face.score]).all(), "a face that is made of no numbers"
            assert face.landmarks is None or np.isfinite(face.landmarks).all(), "no landmarks"


TARGETS: dict[str, Callable[[Path], Target]] = {
    "pictures": _pictures,
    "bundle folders": _bundles,
    "bundle manifests": _manifests,
    "bundle zips": _zips,
    "gallery files": _galleries,
    "gallery recovery": _carved,
    "detector models": _detectors,
    "detector outputs": _detector_outputs,
}
