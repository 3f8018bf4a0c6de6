"""The options every command with a matcher shares."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedge.runtime.matcher import FaceMatcher


def add_matcher_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle folder NAME.embedge, or its .zip")
    parser.add_argument("--artifact", help="fp32, fp16, int8-cpu … (default: the bundle's choice)")
    parser.add_argument("--threads", type=int, help="threads of the models (default: all cores)")
    parser.add_argument(
        "--require-provider", metavar="NAME", help="fail unless this execution provider runs"
    )
    parser.add_argument(
        "--detector", type=Path, help="ONNX face detector, instead of the bundle's own"
    )
    parser.add_argument(
        "--face",
        choices=("one", "largest", "central"),
        default="one",
        help="with several faces in a picture: refuse it (one), or take this one",
    )
    parser.add_argument(
        "--trust",
        type=Path,
        action="append",
        metavar="KEY.pub",
        help="refuse a bundle that this key has not signed (repeatable: any of them)",
    )


def matcher_from(options: argparse.Namespace) -> "FaceMatcher":
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.matcher import FaceMatcher

    with Bundle.open(options.bundle) as bundle:
        if options.trust:
            from embedge.runtime.bundle.signature import require_signature

            require_signature(bundle, options.trust)
        return FaceMatcher.load(
            bundle,
            options.artifact,
            require_provider=options.require_provider,
            threads=options.threads,
            detector=options.detector,
            choice=options.face,
        )
