"""Photos of people to a data set of aligned faces, with a table of those that were refused.

PHOTOS holds one folder per person, or photos without people. OUT then holds the faces, 112 pixels a
side, as a training reads them, landmarks.tsv, refused.tsv and contact-sheet.jpg. A stopped
alignment lies in OUT.part; the same command goes on there.
"""

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.device.gallery_options import say
from embedge.cli.numbers import AMOUNT, COUNT, whole

if TYPE_CHECKING:
    from embedge.train.data.align.aligning import Aligned

_LISTED = 10


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder that does not exist yet")
    parser.add_argument(
        "--detector", type=Path, required=True, help="ONNX face detector with five landmarks"
    )
    parser.add_argument(
        "--face",
        choices=("one", "largest", "central"),
        default="one",
        help="with several faces in a photo: refuse it (one, the default), or take this one",
    )
    parser.add_argument(
        "--detector-size",
        type=COUNT,
        default=640,
        metavar="PIXELS",
        help="side of the detector's input (640); smaller where faces fill the photos",
    )
    parser.add_argument(
        "--min-eyes",
        type=AMOUNT,
        default=12.0,
        metavar="PIXELS",
        help="refuse faces whose eyes are closer together in the photo (12)",
    )
    parser.add_argument(
        "--side",
        type=whole(16, 1024),
        default=112,
        metavar="PIXELS",
        help="of the faces that are written (112); another one is for networks that take it",
    )
    parser.add_argument("--processes", type=COUNT, help="default: one for each core")
    parser.add_argument("--quiet", action="store_true", help="say nothing but the outcome")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    from embedge.progress import Progress
    from embedge.train.data.align.aligning import align
    from embedge.train.data.align.cutting import Cutting

    cores = len(os.sched_getaffinity(0))
    processes = cores if options.processes is None else options.processes
    sizes = options.detector_size, options.min_eyes, options.side
    cutting = Cutting(options.photos, options.detector, options.face, *sizes)
    done = align(cutting, options.out, Progress(quiet=options.quiet), processes=processes)
    say(*([json.dumps(_record(done))] if options.json else _lines(done)))
    return 0


def _record(done: "Aligned") -> dict[str, object]:
    return {
        "schema": "embedge.alignment/1",
        "faces": done.faces,
        "people": done.people,
        "reused": done.reused,
        "refused": [
            {"photo": cut.photo, "code": cut.code, "reason": cut.why} for cut in done.refused
        ],
        "passed_over": list(done.photos.passed_over),
    }


def _lines(done: "Aligned") -> list[str]:
    people = "person" if done.people == 1 else "people"
    whose = "of nobody by name" if done.photos.flat else f"of {done.people:,} {people}"
    faces = "face" if done.faces == 1 else "faces"
    lines = [f"{done.folder}: {done.faces:,} {faces} {whose}"]
    if done.reused:
        lines.append(f"  {done.reused:,} photos had been looked at before")
    lines += _refusals(done)
    if done.photos.passed_over:
        lines.append(
            f"  passed over: {len(done.photos.passed_over):,} files that are no photos in a"
            f" person's folder, as {done.photos.passed_over[0]}"
        )
    if done.photos.flat:
        lines.append(
            "  without one folder per person these faces calibrate and distil by imitation, but"
            " nobody can be held out to be judged on"
        )
    lines.append(f"  {done.shown} of them to look at: {done.folder / 'contact-sheet.jpg'}")
    return lines


def _refusals(done: "Aligned") -> list[str]:
    if not done.refused:
        return []
    counts = Counter(cut.code for cut in done.refused).most_common()
    told = ", ".join(f"{code} {count:,}" for code, count in counts)
    lines = [f"  refused {len(done.refused):,}: {told}; all in {done.folder / 'refused.tsv'}"]
    lines += [f"    {cut.photo}: {cut.code}: {cut.why}" for cut in done.refused[:_LISTED]]
    if any(cut.code == "E-FACES" for cut in done.refused):
        lines.append("    photos with several faces come in with --face largest, or central")
    return lines
