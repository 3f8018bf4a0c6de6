"""A CoreML package beside a bundle: computed here, run only where Apple's systems are."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from embedge.calibration.evaluation.figures import Cosines
from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import EmbedgeError, GateFailed
from embedge.export.engines.check import BOUNDS
from embedge.export.graph.surgery import Graph
from embedge.export.targets.coreml import PACKAGE, coreml_answers, coreml_from_network
from embedge.pipeline.targets.into_bundle import Precision
from embedge.pipeline.targets.torch_network import torch_network
from embedge.report.gate.measurand import FLOAT
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.contract import tensor_from_crops
from embedge.runtime.encoders.bundled import encoder_from_bundle
from embedge.runtime.picture.images import RgbImage

__all__ = ["Beside", "coreml_beside_bundle"]


@dataclass(frozen=True, slots=True)
class Beside:
    """Where the package lies, and how near its program is to the float graph."""

    path: Path
    bytes: int
    parity: Cosines


def coreml_beside_bundle(
    folder: Path, precision: Precision, crops: RgbImage, to: Path | None = None
) -> Beside:
    """`to`, or NAME.PRECISION.mlpackage beside the bundle, which stays as it is: it holds only what
    can be proven by running it. The package is there only if its program agrees on `crops`."""
    if precision == "int8":
        raise EmbedgeError(
            "E-TARGET-PRECISION",
            "a CoreML package is written in 32 bits or in 16",
            remedy="Give --precision fp16 or fp32",
        )
    with Bundle.open(folder) as bundle:
        path = to or folder.parent / f"{bundle.name}.{precision}{PACKAGE}"
        _require_outside(path, folder)
        _require_free(path)
        model = onnx.load_model_from_string(bundle.read(bundle.artifact(FLOAT).file))
        network = torch_network(Graph.from_model(model))
        made = coreml_from_network(network, bundle.contract, half=precision == "fp16")
        with encoder_from_bundle(bundle, FLOAT, threads=1) as known:
            expected = known.embed(crops)
        tensor = tensor_from_crops(crops, bundle.contract)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as name:
        part = Path(name) / f"part{PACKAGE}"
        _write(part, made.files)
        parity = cosines_of(expected, coreml_answers(part, tensor))
        if parity.min < BOUNDS[precision]:
            raise GateFailed(
                "E-TARGET-PARITY",
                f"the CoreML program differs from {FLOAT}: lowest cosine {parity.min:.5f}, bound"
                f" {BOUNDS[precision]}",
                remedy="Try --precision fp32; nothing was written",
            )
        part.rename(path)
    return Beside(path, sum(map(len, made.files.values())), parity)


def _require_outside(path: Path, folder: Path) -> None:
    if path.resolve().is_relative_to(folder.resolve()):
        raise EmbedgeError(
            "E-TARGET-EXISTS",
            "the package would lie inside the bundle, as a file that its manifest does not list",
            where=path,
            remedy="Name a place outside the bundle with --to",
        )


def _require_free(path: Path) -> None:
    if os.path.lexists(path):
        raise EmbedgeError(
            "E-TARGET-EXISTS",
            "there is something where the package shall be",
            where=path,
            remedy="Move it away, or name another place with --to",
        )


def _write(package: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = package / name.removeprefix(f"{PACKAGE}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
