"""The options every command with a matcher shares."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.numbers import COSINE, RATE, THREADS, WHOLE

if TYPE_CHECKING:
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.matcher import FaceMatcher
    from embedge.runtime.threshold import Threshold


def add_matcher_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle folder NAME.embedge, or its .zip")
    parser.add_argument("--artifact", help="fp32, fp16, int8-cpu … (default: the bundle's choice)")
    add_runtime_option(parser)
    parser.add_argument("--threads", type=THREADS, help="of the models (default: all cores)")
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
    parser.add_argument(
        "--at-least-version",
        type=WHOLE,
        metavar="N",
        help="with --trust: refuse a bundle that was signed with a lower version, or with none",
    )
    parser.add_argument(
        "--aligned",
        action="store_true",
        help="the pictures are aligned crops of the bundle's size: no face is looked for in them",
    )


def add_runtime_option(
    parser: argparse.ArgumentParser,
    *more: str,
    words: str = "run the artifact made for this engine (default: the artifact's own)",
) -> None:
    parser.add_argument(
        "--runtime",
        choices=("onnxruntime", "openvino", "ncnn", "litert", "executorch", *more),
        help=words,
    )


def add_decision_options(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--fmr",
        type=RATE,
        metavar="RATE",
        help="decide at the loosest threshold that is proven for this false match rate (1e-4)",
    )
    which.add_argument(
        "--threshold",
        type=COSINE,
        metavar="COSINE",
        help="decide at a number of your own, of which nothing is proven",
    )


def decided_by(options: argparse.Namespace, matcher: "FaceMatcher") -> "Threshold | None":
    """The threshold that was asked for; None leaves it to the bundle."""
    from embedge.runtime.threshold import Threshold

    if options.threshold is not None:
        return matcher.decidable(Threshold.by_hand(options.threshold))
    return None if options.fmr is None else matcher.threshold(fmr=options.fmr)


def matcher_from(options: argparse.Namespace) -> "FaceMatcher":
    with bundle_from(options) as bundle:
        return matcher_of(bundle, options)


def bundle_from(options: argparse.Namespace) -> "Bundle":
    """The bundle, opened only where its signer is trusted, if that was asked for."""
    from embedge.runtime.bundle.bundle import Bundle

    return Bundle.open(
        options.bundle, trusted=options.trust or (), at_least=options.at_least_version
    )


def matcher_of(bundle: "Bundle", options: argparse.Namespace) -> "FaceMatcher":
    from embedge.runtime.matcher import FaceMatcher

    return FaceMatcher.load(
        bundle,
        options.artifact,
        runtime=options.runtime,
        require_provider=options.require_provider,
        threads=options.threads,
        detector=options.detector,
        choice=options.face,
        aligned=options.aligned,
    )
