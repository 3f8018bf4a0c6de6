"""Ask a bundle its golden vectors on this machine, and name what is wrong where answers do not fit.

Exit status 0: every artifact that was asked answers as the bundle says it must. 3: one does not.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.errors import EmbedgeError, GateFailed
from embedge.printed import printable

if TYPE_CHECKING:
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.selftest.result import SelfTest

_PROVIDERS = {"onnxruntime": None, "openvino": "OpenVINO", "tensorrt": "TensorRT"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle folder NAME.embedge, or its .zip")
    parser.add_argument(
        "--runtime", choices=sorted(_PROVIDERS), default="onnxruntime", help="who answers"
    )
    parser.add_argument("--artifact", help="fp32, fp16, int8-cpu … (default: all of the bundle)")
    parser.add_argument("--threads", type=int, help="threads of the models (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    from embedge.runtime.bundle.bundle import Bundle

    with Bundle.open(options.bundle) as bundle:
        found = _tested(bundle, options)
    failed = [one for one in found if not one.passed]
    if options.json:
        answer = {"passed": not failed, "artifacts": [one.to_json() for one in found]}
        print(json.dumps(answer, indent=2))
    else:
        for one in found:
            print(printable(_text(one), keep="\n"))
    if failed:
        raise GateFailed(
            "E-SELFTEST",
            f"{len(failed)} of {len(found)} artifacts do not answer as the bundle says",
            where=options.bundle,
            remedy=failed[0].remedy,
        )
    return 0


def _tested(bundle: "Bundle", options: argparse.Namespace) -> "list[SelfTest]":
    from embedge.runtime.encoders.bundled import untested_encoder
    from embedge.runtime.selftest.selftest import golden_of, tested_encoder

    golden = golden_of(bundle)
    if golden is None:
        raise EmbedgeError(
            "E-SELFTEST",
            f"the bundle {bundle.name} carries no golden vectors",
            where=options.bundle,
            remedy="Make it again with this version of embedge",
        )
    names = [options.artifact] if options.artifact else sorted(bundle.artifacts)
    found = []
    for name in names:
        provider = _PROVIDERS[options.runtime]
        with untested_encoder(
            bundle, name, require_provider=provider, threads=options.threads
        ) as encoder:
            found.append(tested_encoder(encoder, golden, name))
    return found


def _text(one: "SelfTest") -> str:
    near = "" if one.cosine is None else f", cosine {one.cosine:.5f} (at least {one.nearest:.5f})"
    lines = [f"{'pass' if one.passed else 'FAIL'}  {one.artifact} on {one.provider}{near}"]
    lines += [f"      {finding.fault}: {finding.evidence}" for finding in one.findings]
    return "\n".join(lines)
