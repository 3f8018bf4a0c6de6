"""Ask a bundle its golden vectors on this machine, and name what is wrong where answers do not fit.

Exit status 0: every artifact that was asked answers as the bundle says it must. 3: one does not.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from embedge.cli.device.matcher_options import add_runtime_option
from embedge.cli.numbers import THREADS
from embedge.errors import EmbedgeError, GateFailed
from embedge.printed import printable

if TYPE_CHECKING:
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.bundle.manifest import Runtime
    from embedge.runtime.selftest.result import SelfTest

_TENSORRT = "tensorrt"  # an engine that the bundle brings, no runtime that reads its graphs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle folder NAME.embedge, or its .zip")
    who = "who answers (default: what each artifact was made for)"
    add_runtime_option(parser, _TENSORRT, words=who)
    parser.add_argument(
        "--artifact", help="fp32, fp16, int8-cpu … (default: all that can be asked)"
    )
    parser.add_argument("--threads", type=THREADS, help="of the models (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    from embedge.runtime.bundle.bundle import Bundle

    with Bundle.open(options.bundle) as bundle:
        found = _tested(bundle, options)
        detector = bundle.declared.known.detector is not None
    failed = [one for one in found if not one.passed]
    if options.json:
        answer = {"passed": not failed, "artifacts": [one.to_json() for one in found]}
        print(json.dumps(answer, indent=2))
    else:
        for one in found:
            print(printable(_text(one), keep="\n"))
        if detector:
            print("not asked: the detector; the golden faces are cut by landmarks that are given")
    if failed:
        raise GateFailed(
            "E-SELFTEST",
            f"{len(failed)} of {len(found)} artifacts do not answer as the bundle says",
            where=options.bundle,
            remedy=failed[0].remedy,
        )
    return 0


def _tested(bundle: "Bundle", options: argparse.Namespace) -> "list[SelfTest]":
    from embedge.runtime.encoders.bundled import TENSORRT, untested_encoder
    from embedge.runtime.selftest.selftest import golden_of, tested_encoder

    golden = golden_of(bundle)
    if golden is None:
        raise EmbedgeError(
            "E-SELFTEST",
            f"the bundle {bundle.name} carries no golden vectors",
            where=options.bundle,
            remedy="Make it again with this version of embedge",
        )
    engine = options.runtime == _TENSORRT
    found = []
    for name in [options.artifact] if options.artifact else _asked(bundle, options.runtime):
        with untested_encoder(
            bundle,
            name,
            runtime=None if engine else options.runtime,
            require_provider=TENSORRT if engine else None,
            threads=options.threads,
        ) as encoder:
            found.append(tested_encoder(encoder, golden, name))
    return found


def _asked(bundle: "Bundle", runtime: str | None) -> list[str]:
    """All that this runtime reads; without one, all whose own is installed, the others told."""
    from embedge.runtime.encoders.bundled import chosen_artifact, importable, reads

    every = [bundle.artifacts[name] for name in sorted(bundle.artifacts)]
    if runtime is None:
        for one in every:
            if not importable(one.runtime):
                print(f"not asked: {one.name}, {one.runtime} is not installed", file=sys.stderr)
        return [one.name for one in every if importable(one.runtime)]
    if runtime == _TENSORRT:
        return [one.name for one in every if reads("onnxruntime", one)]
    named = cast("Runtime", runtime)
    chosen_artifact(bundle, None, named)  # a runtime without an artifact is refused
    return [one.name for one in every if reads(named, one)]


def _text(one: "SelfTest") -> str:
    near = "" if one.cosine is None else f", cosine {one.cosine:.5f} (at least {one.nearest:.5f})"
    lines = [f"{'pass' if one.passed else 'FAIL'}  {one.artifact} on {one.provider}{near}"]
    lines += [f"      {finding.fault}: {finding.evidence}" for finding in one.findings]
    return "\n".join(lines)
