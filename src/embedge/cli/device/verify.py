"""Decide whether two pictures show the same person, at the threshold the bundle was calibrated to.

Exit status 0 means that a decision was made, match or not; with --exit-status a non-match is 1.
An error is 2, as everywhere.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.device.matcher_options import (
    add_decision_options,
    add_matcher_options,
    decided_by,
    matcher_from,
)

if TYPE_CHECKING:
    from embedge.runtime.matcher import Verification
    from embedge.runtime.threshold import Threshold


def configure(parser: argparse.ArgumentParser) -> None:
    add_matcher_options(parser)
    add_decision_options(parser)
    parser.add_argument(
        "--policy", choices=("nist-800-63b",), help="refuse a threshold that is looser than its FMR"
    )
    parser.add_argument("a", type=Path, help="one picture")
    parser.add_argument("b", type=Path, help="the other picture")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--exit-status", action="store_true", help="exit with 1 when no match")


def run(options: argparse.Namespace) -> int:
    from embedge.runtime.policy import NIST_800_63B, require_fmr

    with matcher_from(options) as matcher:
        chosen = decided_by(options, matcher)
        if options.policy:
            require_fmr(chosen or matcher.threshold(), NIST_800_63B)
        result = matcher.verify(options.a, options.b, threshold=chosen)
    if options.json:
        print(json.dumps(result.to_json()))
    else:
        print(_text(result))
    return int(options.exit_status and not result.match)


def _text(result: "Verification") -> str:
    threshold = result.threshold
    return "\n".join(
        (
            "MATCH" if result.match else "NO MATCH",
            f"  cosine     {result.cosine:.4f}",
            f"  threshold  {threshold.value:.4f} (accept strictly above)",
            *_evidence(threshold),
            f"  ran        {result.artifact} on {result.provider}",
        )
    )


def _evidence(threshold: "Threshold") -> list[str]:
    from embedge.runtime.threshold import MEASURED_ON

    if not threshold.proven:
        return [f"  evidence   {threshold.evidence()}"]
    return [
        f"  FMR        target {threshold.fmr_target:.0e}, measured {threshold.fmr:.2e},"
        f" at most {threshold.fmr_upper:.2e} with {threshold.confidence:.0%} confidence",
        f"  evidence   {threshold.impostors:,} impostor pairs of {threshold.subjects:,}"
        f" subjects ({threshold.dataset}); {MEASURED_ON}",
    ]
