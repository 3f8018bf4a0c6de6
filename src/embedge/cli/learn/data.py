"""Align photos to a data set of faces, look into one, convert it, or read every record of it.

A data set is a folder of people, an MXNet record file (train.rec), tar shards, a face set written
by `embedge data convert --to pixels`, or a verification set (.bin).
"""

import argparse
import json
from pathlib import Path
from typing import Any

from embedge.cli.learn import data_align
from embedge.cli.numbers import COUNT, RATE, SEED
from embedge.printed import counted

FORMS = ("folder", "recordio", "shards", "pixels")
_SHOWN = 10  # --json lists all of them
WRITES = ("out", "target")  # options that name outputs
WRITES_OUTSIDE = True  # what is written is searched for faces again


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    look = actions.add_parser("inspect", help="what it holds, from its index and a few records")
    check = actions.add_parser("verify", help="read every record; exit 3 if any is corrupt")
    for action in (look, check):
        action.add_argument("source", help="path of the data set, or faces-{000..127}.tar")
        action.add_argument("--json", action="store_true", help="print one JSON object")
    data_align.configure(actions.add_parser("align", help="photos of people -> aligned faces"))
    copy = actions.add_parser("convert", help="write it in another format")
    copy.add_argument("source", help="path of the data set, or faces-{000..127}.tar")
    copy.add_argument("target", type=Path, help="a folder that does not exist yet")
    copy.add_argument("--to", choices=FORMS, required=True, dest="form")
    copy.add_argument("--skip-corrupt", action="store_true", help="leave corrupt records out")
    copy.add_argument("--held-out", type=RATE, metavar="SHARE", help="split by identity: two sets")
    copy.add_argument("--seed", type=SEED, default=0, help="of the split")
    copy.add_argument("--quality", type=_quality, default=95, help="of JPEGs made of pixels")
    copy.add_argument("--per-shard", type=COUNT, default=4096, metavar="N", help="faces per shard")


def _quality(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError("give a number from 1 to 100")
    return int(text)


def run(options: argparse.Namespace) -> int:
    if options.action == "align":
        return data_align.run(options)
    if options.action == "convert":
        return _convert(options)
    if Path(options.source).suffix == ".bin":
        return _verification_set(options)
    return _inspect(options) if options.action == "inspect" else _verify(options)


def _inspect(options: argparse.Namespace) -> int:
    from embedge.train.data.feeding.pictures import require_aligned
    from embedge.train.data.open import open_faces
    from embedge.train.data.tools.inspect import inspect

    faces = open_faces(options.source)
    _show(options, inspect(faces))
    require_aligned(faces)
    return 0


def _verify(options: argparse.Namespace) -> int:
    from embedge.progress import Progress
    from embedge.train.data.feeding.pictures import require_aligned
    from embedge.train.data.open import open_faces
    from embedge.train.data.tools.verify import verify

    faces = open_faces(options.source)
    facts = verify(faces, Progress())
    _show(options, facts)
    require_aligned(faces)
    return 3 if facts["corrupt"] else 0


def _verification_set(options: argparse.Namespace) -> int:
    from embedge.train.data.tools.verify_bin import verify_bin

    facts = verify_bin(Path(options.source), every=options.action == "verify")
    _show(options, facts)
    return 3 if facts["corrupt"] else 0


def _convert(options: argparse.Namespace) -> int:
    from embedge.progress import Progress
    from embedge.train.data.open import open_faces
    from embedge.train.data.splits import split_by_identity
    from embedge.train.data.tools.convert import convert

    faces = open_faces(options.source)
    parts = [(faces, options.target)]
    if options.held_out is not None:
        learn, out = split_by_identity(faces, options.held_out, options.seed)
        parts = [(learn, options.target / "learn"), (out, options.target / "held-out")]
    for part, target in parts:
        done = convert(
            part,
            target,
            options.form,
            Progress(),
            skip_corrupt=options.skip_corrupt,
            quality=options.quality,
            per_shard=options.per_shard,
        )
        print(
            f"{target}: {counted(done.written, 'picture')} of"
            f" {counted(part.classes, 'person', 'people')} as {options.form}"
        )
        for error in done.left_out:
            print(f"  left out: {error}")
    return 0


def _show(options: argparse.Namespace, facts: dict[str, Any]) -> None:
    if options.json:
        print(json.dumps(facts, allow_nan=False))
        return
    told = {key.replace("_", " "): value for key, value in facts.items() if key != "schema"}
    width = max(map(len, told))
    for key, value in told.items():
        print(f"{key:<{width}}  {_text(value)}")


def _text(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(
                f"{key.replace('_', ' ')} {_text(part)}" for key, part in value.items()
            )
        case [] | None:
            return "none"
        case [int(width), int(height)]:
            return f"{width}×{height}"
        case list():
            shown = [_text(part) for part in value[:_SHOWN]]
            more = len(value) - len(shown)
            return "".join(
                f"\n    {line}" for line in [*shown, *([f"… {more} more"] if more else [])]
            )
    return str(value)
