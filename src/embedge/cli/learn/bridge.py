"""Carry a gallery to another model: fit a map between two embedding spaces and judge it.

OLD and NEW are bundles, ONNX files, or matrices (.npy) of embeddings of the same pictures, row by
row: a closed system needs to hand out no more. A matrix beside a model follows the names of the
pictures in order. The exit status is 3, and no map is written, where the verdict is no.
"""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from embedge.cli.numbers import PART, RATE, SEED, SEVERAL, THREADS
from embedge.runtime.contract import Feeding

if TYPE_CHECKING:
    from embedge.calibration.bridging.report import BridgeReport
    from embedge.calibration.bridging.shores import Shore

WRITES = ("out",)  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help="the model that enrolled the gallery")
    parser.add_argument("new", metavar="NEW", help="the model that is to take its place")
    parser.add_argument("--faces", type=Path, metavar="DIR", help="aligned faces of anybody")
    parser.add_argument("--out", type=Path, required=True, metavar="MAP", help="the map's file")
    parser.add_argument(
        "--labelled", type=Path, metavar="DIR", help="PERSON/PICTURE: evidence on known people"
    )
    parser.add_argument(
        "--labelled-old", type=Path, metavar="NPY", help="their old embeddings, if OLD is a matrix"
    )
    parser.add_argument(
        "--labelled-new", type=Path, metavar="NPY", help="their new ones, if NEW is a matrix"
    )
    parser.add_argument(
        "--names",
        type=Path,
        metavar="FILE",
        help="for two matrices: who is on each row, a line each",
    )
    for shore in ("old", "new"):
        parser.add_argument(
            f"--{shore}-preprocessing",
            choices=get_args(Feeding),
            help=f"how the {shore} ONNX file is to be fed, if it does not say",
        )
        parser.add_argument(f"--{shore}-space", metavar="NAME", help="name the space of a matrix")
    parser.add_argument(
        "--kind",
        choices=("auto", "orthogonal", "ridge", "kernel"),
        default="auto",
        help="default: what foretells left-out pictures best",
    )
    parser.add_argument("--fmr", type=RATE, default=1e-4, help="default 1e-4")
    parser.add_argument(
        "--keep", type=PART, default=0.96, help="least share of the weaker model's TAR: .96"
    )
    parser.add_argument("--per-person", type=SEVERAL, default=8, metavar="N", help="default 8")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep embeddings here")
    parser.add_argument("--threads", type=THREADS, help="of the encoders (default: all cores)")
    parser.add_argument("--plain", action="store_true", help="no mirrored views: half the time")
    parser.add_argument("--sign", type=Path, metavar="KEY", help="sign the map with this key")
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    from embedge.calibration.bridging.report import text_of
    from embedge.runtime.bridge import sign_bridge, write_bridge
    from embedge.runtime.bundle.signing_keys import PASSWORD_VARIABLE
    from embedge.typed import plain

    _check(options)
    bridge, report = _bridged(options)
    signed = None
    if report.verdict.carries:
        write_bridge(options.out, bridge)
        if options.sign:
            password = os.environ.get(PASSWORD_VARIABLE, "").encode() or None
            signed = sign_bridge(options.out, options.sign, password).key_id
    written = str(options.out) if report.verdict.carries else None
    if options.json:
        facts = {"written": written, "signed_by": signed, **plain(report)}
        print(json.dumps(facts, allow_nan=False))
    else:
        print(text_of(report))
        print(f"\nmap: {written or 'not written'}{f', signed by {signed}' if signed else ''}")
    return 0 if report.verdict.carries else 3


def _bridged(options: argparse.Namespace) -> "tuple[Any, BridgeReport]":
    from embedge.calibration.bridging.report import judged_bridge
    from embedge.calibration.bridging.shores import (
        labelled_people,
        not_checked,
        require_strangers,
        require_unseen,
        unlabelled_views,
    )
    from embedge.calibration.bridging.verdict import Demands
    from embedge.progress import Progress
    from embedge.train.bridge.attacker import attacker_curve
    from embedge.train.bridge.feeding.confirming import confirm_feeding
    from embedge.train.bridge.fit import fitted_bridge
    from embedge.train.bridge.pairs import Pairs

    progress = Progress(quiet=options.quiet or options.json)
    shores = _shore(options, "old"), _shore(options, "new")
    require_strangers(options.faces, options.labelled)
    confirm_feeding(*shores, options.faces, progress)
    old, new = unlabelled_views(
        *shores, options.faces, mirrored=not options.plain, cache=options.cache, progress=progress
    )
    pairs = Pairs(old, new, options.seed)
    with progress.task("fit", 20) as task:
        fitted = fitted_bridge(
            shores[0].end,
            shores[1].end,
            pairs,
            kind=options.kind,
            on_step=lambda what: task.advance(1, what),
        )
    people = labelled_people(
        *shores,
        options.labelled,
        (options.labelled_old, options.labelled_new),
        options.names,
        per_person=options.per_person,
        cache=options.cache,
        progress=progress,
    )
    require_unseen(people, pairs.old, pairs.new)
    progress.say("  evidence …")
    return judged_bridge(
        fitted.bridge,
        (fitted.held_out, fitted.native),
        people,
        Demands(options.fmr, options.keep),
        candidates={f"{one.kind} {one.setting}".strip(): one.cosine for one in fitted.candidates},
        known=attacker_curve(pairs, shores[0].end.dim),
        datasets=_datasets(options),
        not_checked=not_checked(*shores),
        faces=fitted.faces,
    )


def _datasets(options: argparse.Namespace) -> tuple[str, str]:
    unlabelled = (options.faces or Path(options.old)).name
    labelled = options.labelled or options.labelled_old
    return unlabelled, labelled.name if labelled else ""


def _shore(options: argparse.Namespace, name: str) -> "Shore":
    from embedge.calibration.bridging.shores import shore_of

    return shore_of(
        getattr(options, name),
        space=getattr(options, f"{name}_space"),
        preprocessing=getattr(options, f"{name}_preprocessing"),
        threads=options.threads,
    )


def _check(options: argparse.Namespace) -> None:
    from embedge.errors import EmbedgeError

    if not 0 < options.fmr < 1 or not 0 < options.keep <= 1:
        raise EmbedgeError(
            "E-OPTION",
            f"--fmr {options.fmr:g} and --keep {options.keep:g} are no shares",
            remedy="Give numbers between 0 and 1",
        )
