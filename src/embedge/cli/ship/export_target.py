"""Convert a bundle's float graph for another runtime, prove it here, and add it to the bundle.

The result is compared with the float graph on the same faces and timed beside it; the bundle is
left as it is where they differ. `--runtime` of the other commands then runs it. INT8 takes
`--faces`: some of these people calibrate it, others set its threshold, the rest judge. A CoreML
package is written beside the bundle: its program is computed here, but only a Mac can run it.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedge.cli.numbers import COUNT, RATE, SECONDS, SEED
from embedge.errors import EmbedgeError
from embedge.report.gate.defaults import CALIBRATION_PICTURES, FMR

if TYPE_CHECKING:
    from embedge.pipeline.targets.beside_bundle import Beside
    from embedge.pipeline.targets.into_bundle import Proven
    from embedge.runtime.picture.images import RgbImage

_FACES = 64
_MOST = 4000  # pictures that are read
_COREML = "coreml"
WRITES = ("report", "to")  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle folder NAME.embedge")
    parser.add_argument(
        "--target", choices=("ncnn", "litert", "executorch", _COREML), required=True
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        help="fp16, but fp32 for executorch, which keeps weights in 32 bits or in 8",
    )
    parser.add_argument(
        "--to", type=Path, metavar="NAME.mlpackage", help="for coreml (default: beside the bundle)"
    )
    parser.add_argument("--faces", type=Path, metavar="DIR", help="for int8: PERSON/PICTURE")
    parser.add_argument(
        "--fmr", type=RATE, default=FMR, help=f"for int8: of its threshold ({FMR:g})"
    )
    parser.add_argument(
        "--count", type=COUNT, default=CALIBRATION_PICTURES, metavar="N", help="to calibrate on"
    )
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--seconds", type=SECONDS, default=4.0, help="spent on timing (4)")
    parser.add_argument("--report", type=Path, help="where to write a report.json to be merged")
    parser.add_argument(
        "--drop-signature", action="store_true", help="of a signed bundle: sign it again afterwards"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(options: argparse.Namespace) -> int:
    from embedge.files import write_json
    from embedge.pipeline.foreign.people import people_of
    from embedge.pipeline.targets.into_bundle import target_into_bundle
    from embedge.typed import plain

    if options.precision is None:
        options.precision = "fp32" if options.target == "executorch" else "fp16"
    if options.target == _COREML:
        return _package(options)
    _require_unsaid(options, "to", f"is for --target {_COREML}")
    people = None
    if options.precision == "int8" and options.faces is not None:
        people = people_of(options.faces, most=_MOST, count=options.count, seed=options.seed)
    proven = target_into_bundle(
        options.bundle,
        options.target,
        options.precision,
        _drawn_faces(),
        people=people,
        fmr=options.fmr,
        seconds=options.seconds,
        drop_signature=options.drop_signature,
    )
    if options.report:
        write_json(options.report, plain(proven.report))
    print(json.dumps(_figures(proven), indent=2) if options.json else _text(proven))
    return 0


def _package(options: argparse.Namespace) -> int:
    from embedge.pipeline.targets.beside_bundle import coreml_beside_bundle

    _require_unsaid(options, "report", "tells of what ran here, which a CoreML package cannot")
    made = coreml_beside_bundle(options.bundle, options.precision, _drawn_faces(), options.to)
    print(json.dumps(_package_figures(made), indent=2) if options.json else _package_text(made))
    return 0


def _drawn_faces() -> "RgbImage":
    import numpy as np

    from embedge.train.render import FaceRenderer

    drawn = np.arange(_FACES)
    return FaceRenderer().render(drawn, drawn % 3).images


def _require_unsaid(options: argparse.Namespace, name: str, why: str) -> None:
    if getattr(options, name) is not None:
        raise EmbedgeError("E-OPTION", f"--{name} {why}", remedy=f"Leave --{name} out")


def _package_figures(made: "Beside") -> dict[str, Any]:
    from embedge.typed import plain

    return {
        "package": str(made.path),
        "bytes": made.bytes,
        "cosine": plain(made.parity),
        "ran_on": None,
    }


def _package_text(made: "Beside") -> str:
    cosine = made.parity
    return (
        f"{made.path}  {made.bytes:,} bytes, beside the bundle\n"
        f"its program, computed here, to fp32 on {cosine.n} faces: p1 {cosine.p1:.6f}, lowest"
        f" {cosine.min:.6f}\n"
        "not run by CoreML: that takes one of Apple's systems"
    )


def _figures(proven: "Proven") -> dict[str, Any]:
    from embedge.typed import plain

    return {
        "artifact": proven.artifact.name,
        "file": proven.artifact.file,
        "bytes": proven.bytes,
        "cosine": plain(proven.parity),
        "ms": {row.artifact: row.p50 for row in proven.latency.artifacts},
    }


def _text(proven: "Proven") -> str:
    from embedge.report.gate.text import shortage_lines

    name, cosine = proven.artifact.name, proven.parity
    times = ", ".join(
        f"{row.artifact} {row.p50 or row.max:.2f} ms ({row.provider})"
        for row in proven.latency.artifacts
    )
    return (
        f"{name}  {proven.bytes:,} bytes, added to the bundle\n"
        f"cosine to fp32 on {cosine.n} faces: p1 {cosine.p1:.6f}, lowest {cosine.min:.6f}\n"
        f"median, one thread, interleaved: {times}{_slower(proven)}{_threshold(proven)}"
        + "".join(f"\n{line}" for line in shortage_lines(proven.report))
    )


def _slower(proven: "Proven") -> str:
    before, after = (row.p50 or row.max for row in proven.latency.artifacts)
    return "\nit gains no time over fp32 on ONNX Runtime here" if after >= before else ""


def _threshold(proven: "Proven") -> str:
    if proven.artifact.precision != "int8":
        return ""
    found = proven.artifact.threshold
    if found is None:
        return "\nthreshold: none, too few people to set one"
    people, fmr = f"{found.subjects:,} people", f"{found.fmr_target:g}"
    return f"\nthreshold {found.value:.4f} for FMR {fmr}, on {people}"
