"""Convert a bundle's float graph for ncnn or LiteRT, prove it here, and add it to the bundle.

The result is compared with the float graph on the same faces and timed beside it; the bundle is
left as it is where they differ. `--runtime` of the other commands then runs it.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedge.pipeline.targets.into_bundle import Proven

_FACES = 64
WRITES = ("report",)  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle folder NAME.embedge")
    parser.add_argument("--target", choices=("ncnn", "litert"), required=True)
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp16")
    parser.add_argument("--seconds", type=float, default=4.0, help="spent on timing (4)")
    parser.add_argument("--report", type=Path, help="where to write a report.json to be merged")
    parser.add_argument(
        "--drop-signature", action="store_true", help="of a signed bundle: sign it again afterwards"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(options: argparse.Namespace) -> int:
    import numpy as np

    from embedge.files import write_json
    from embedge.pipeline.targets.into_bundle import target_into_bundle
    from embedge.train.render import FaceRenderer
    from embedge.typed import plain

    people = np.arange(_FACES)
    proven = target_into_bundle(
        options.bundle,
        options.target,
        options.precision,
        FaceRenderer().render(people, people % 3).images,
        seconds=options.seconds,
        drop_signature=options.drop_signature,
    )
    if options.report:
        write_json(options.report, plain(proven.report))
    print(json.dumps(_figures(proven), indent=2) if options.json else _text(proven))
    return 0


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
    name, cosine = proven.artifact.name, proven.parity
    times = ", ".join(
        f"{row.artifact} {row.p50 or row.max:.2f} ms ({row.provider})"
        for row in proven.latency.artifacts
    )
    return (
        f"{name}  {proven.bytes:,} bytes, added to the bundle\n"
        f"cosine to fp32 on {cosine.n} rendered faces:"
        f" p1 {cosine.p1:.6f}, lowest {cosine.min:.6f}\n"
        f"median, one thread, interleaved: {times}"
    )
