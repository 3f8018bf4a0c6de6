"""Make a bundle from an embedder somebody already has: no training, the same proof.

The network is brought to one form and compared with the original after every step; how it is fed
is stated or written in the file, and confirmed on faces. A sixth of the people calibrate INT8, a
third set the thresholds, half are judged. FACES is a folder of aligned crops, PERSON/PICTURE.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.numbers import COUNT, RATE, SECONDS, SEED
from embedge.cli.ship.foreign_options import asked_of, feeding_text, foreign_options
from embedge.report.gate.defaults import CALIBRATION_PICTURES, FMR

if TYPE_CHECKING:
    from embedge.report.model import Gate

WRITES = ("out",)  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--faces", type=Path, required=True, metavar="DIR", help="PERSON/PICTURE")
    parser.add_argument("--out", type=Path, metavar="DIR", help="else MODEL.embedge here")
    parser.add_argument("--update", action="store_true", help="replace the bundle that is there")
    parser.add_argument("--int8", action="store_true", help="INT8 graphs too, one for each runtime")
    parser.add_argument("--detector", type=Path, metavar="D.onnx", help="packed into the bundle")
    parser.add_argument(
        "--fmr", type=RATE, default=FMR, help="false match rate that the thresholds keep"
    )
    parser.add_argument(
        "--count", type=COUNT, default=CALIBRATION_PICTURES, metavar="N", help="to calibrate on"
    )
    parser.add_argument(
        "--most", type=COUNT, default=4000, metavar="N", help="pictures that are read"
    )
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--seconds", type=SECONDS, default=20.0, help="time spent on the latency")
    parser.add_argument("--space", metavar="ID", help="of the embeddings, if another model has it")
    parser.add_argument("--licence", help="of the weights, for the report")
    parser.add_argument("--quiet", action="store_true")
    foreign_options(parser)


def run(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from embedge.errors import EmbedgeError, GateFailed
    from embedge.optional import require
    from embedge.pipeline.foreign.bundling import Wanted, bundled
    from embedge.progress import Progress
    from embedge.report.gate.text import gate_lines, shortage_lines

    require("onnx", extra="export")
    out = options.out or Path(f"{options.model.stem}.embedge")
    if not options.update and os.path.lexists(out) and not _empty(out):
        raise EmbedgeError(
            "E-BUNDLE-EXISTS",
            "there is something here already; nothing was changed",
            where=out,
            remedy="Choose another --out, or add --update to replace the bundle",
        )
    outcome = bundled(
        Wanted(
            model=options.model,
            faces=options.faces,
            out=out,
            asked=replace(asked_of(options), space=options.space),
            int8=options.int8,
            detector=options.detector,
            fmr=options.fmr,
            count=options.count,
            most=options.most,
            seed=options.seed,
            seconds=options.seconds,
            licence=options.licence,
            command=" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        ),
        Progress(quiet=options.quiet),
    )
    verdict = outcome.report.verdict
    print(feeding_text(outcome.feeding))
    print(gate_lines(verdict))
    for line in shortage_lines(outcome.report):
        print(line)
    print(f"report:  {outcome.bundle / 'report.html'}\nbundle:  {outcome.bundle}")
    if verdict.failed:
        raise GateFailed(
            "E-GATE",
            f"missed: {', '.join(gate.name for gate in verdict.failed)}",
            where=outcome.bundle,
            remedy=f"See in the report where it is lost; {_what_helps(verdict.failed)}",
        )
    return 0


def _what_helps(failed: "Sequence[Gate]") -> str:
    if all(gate.measures.figure == "cosine-p1" for gate in failed):
        return "calibrate on more pictures (--count), or leave --int8 out"
    return "give more faces, or a larger --fmr"


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
