"""Put a face detector into a bundle, so that its owner needs nothing else to use it.

embedge ships none: docs/detectors.md says where to get one, and under which licence.
"""

import argparse
from pathlib import Path

from embedge.cli.numbers import COUNT, PART
from embedge.report.gate.defaults import DETECTOR_SCORE, DETECTOR_SIZE


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle folder NAME.embedge")
    parser.add_argument("detector", type=Path, help="ONNX face detector with five landmarks")
    size, score = DETECTOR_SIZE, DETECTOR_SCORE
    parser.add_argument("--size", type=COUNT, default=size, help=f"side of its input ({size})")
    parser.add_argument("--score", type=PART, default=score, help=f"least of a face ({score})")
    parser.add_argument("--licence", help="of the detector, told in the bundle's provenance")
    parser.add_argument(
        "--drop-signature", action="store_true", help="of a signed bundle: sign it again afterwards"
    )


def run(options: argparse.Namespace) -> int:
    from embedge.pipeline.additions.detector_in_bundle import detector_into_bundle

    kind = detector_into_bundle(
        options.bundle,
        options.detector,
        size=options.size,
        score=options.score,
        licence=options.licence,
        drop_signature=options.drop_signature,
    )
    print(f"{options.bundle}: carries a {kind} detector now")
    if options.licence is None:
        print("its licence was not told: --licence says it to whoever gets the bundle")
    return 0
