"""Quantise an ONNX embedding network to INT8, and show what it costs and gains.

The model may be foreign: any float network from one aligned picture to one embedding. How it is
fed is stated or written in the file, and confirmed on faces. Pictures under --calib are aligned
faces, PERSON/PICTURE or flat. Some are chosen for calibration; others measure cosine and latency
before and after. Nothing is written where the cosine is under --floor.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.numbers import COUNT, PART, POINTS, RATE, SECONDS, SEED
from embedge.cli.ship.foreign_options import (
    asked_of,
    confirming_faces,
    feeding_text,
    foreign_options,
)
from embedge.report.gate.defaults import CALIBRATION_PICTURES, FMR, INT8_COSINE_P1

if TYPE_CHECKING:
    from embedge.export.int8.budget.before_after import BeforeAfter
    from embedge.export.int8.budget.precision_plan import Allowance, PrecisionPlan
    from embedge.export.int8.calibration_set import CalibrationSet

WRITES = ("out", "json")  # options that name outputs
_MEANT = {
    "qdq": "in the NPU's own tool",
    "trt": "in TensorRT or OpenVINO",
    "trt8": "in TensorRT 8",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--calib", type=Path, required=True, metavar="DIR", help="aligned faces")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="INT8 ONNX file")
    parser.add_argument(
        "--target",
        choices=("cpu", "qdq", "trt", "trt8"),
        default="cpu",
        help="cpu: U8S8 for ONNX Runtime; qdq: U8S8 in plain operators, for NPU tools and"
        " converters; trt: symmetric S8, for OpenVINO too; trt8: the same for TensorRT 8",
    )
    parser.add_argument(
        "--method", choices=("max", "percentile", "mse", "entropy"), default="mse", help="ranges"
    )
    parser.add_argument(
        "--count", type=COUNT, default=CALIBRATION_PICTURES, metavar="N", help="to calibrate on"
    )
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument(
        "--weight-bits", type=int, choices=(7, 8), help="7: x86 without VNNI saturates"
    )
    parser.add_argument(
        "--keep", action="append", default=[], metavar="NODE", help="leave this node in float"
    )
    parser.add_argument(
        "--budget",
        type=POINTS,
        metavar="POINTS",
        help="keep layers in float until TAR at --fmr loses at most this; needs PERSON/PICTURE",
    )
    parser.add_argument(
        "--judge", type=COUNT, default=600, metavar="N", help="pictures --budget is judged on"
    )
    parser.add_argument("--fmr", type=RATE, default=FMR, help="operating point of --budget")
    parser.add_argument(
        "--floor",
        type=PART,
        default=INT8_COSINE_P1,
        metavar="COSINE",
        help="write nothing where the first percentile of the cosine to float is under this",
    )
    parser.add_argument("--seconds", type=SECONDS, default=6.0, help="time spent on the latency")
    parser.add_argument("--no-figures", action="store_true", help="only write the file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    foreign_options(parser)


def run(options: argparse.Namespace) -> int:
    from embedge.export.int8 import WEIGHT_BITS
    from embedge.export.int8.budget.before_after import before_after, parity_of
    from embedge.export.int8.calibration_set import chosen_from_folder, decoded_pictures
    from embedge.export.int8.qdq import qdq_from_onnx
    from embedge.export.intake.intake import looked_at, taken_in
    from embedge.files import require_writable, whole_file, write_json
    from embedge.optional import require
    from embedge.progress import Progress

    require("onnx", extra="export")
    require_writable(options.out)
    asked = asked_of(options)
    looked_at(options.model, asked)  # a wrong file is told before many pictures are read
    chosen = chosen_from_folder(options.calib, options.count, seed=options.seed)
    images, others = (decoded_pictures(chosen.root, some) for some in (chosen.names, chosen.spare))
    taken = taken_in(options.model, images, asked, confirming_faces(options.calib, images.shape[1]))
    print(feeding_text(taken.feeding))
    Progress().say(f"calibrating on {len(images)} of {chosen.offered} pictures …")
    with whole_file(options.out) as part:
        plan = qdq_from_onnx(
            taken.graph,
            images,
            part,
            target=options.target,
            method=options.method,
            kept=frozenset(options.keep),
            weight_bits=options.weight_bits or WEIGHT_BITS,
            budget=None if options.budget is None else _budget(options, chosen),
        )
        parity = parity_of(taken, part, others, floor=options.floor)
    plan.write(options.out.with_suffix(".plan.json"))
    chosen.write(options.out.with_suffix(".calibration.json"))
    if options.budget is not None:
        print(_plan_text(plan))
    print(f"{options.out}: INT8 for {options.target}, from {len(images)} pictures")
    print(_layers_text(plan))
    if options.no_figures:
        return 0
    size = options.model.stat().st_size
    figures = before_after(taken, size, options.out, others, parity, seconds=options.seconds)
    print(_text(figures))
    if options.target in _MEANT:
        told = f"measure it {_MEANT[options.target]}"
        print(f"the time is ONNX Runtime's, which this graph is not for: {told}")
    if options.json:
        write_json(options.json, figures.to_json())
    return 0


def _layers_text(plan: "PrecisionPlan") -> str:
    """What runs in INT8; a product that silently stays in float would be a surprise later."""
    line = f"in INT8: {plan.integer} of {plan.layers} convolutions and matrix products"
    if plan.unknown:
        some = ", ".join(plan.unknown[:3]) + (" …" if len(plan.unknown) > 3 else "")
        line += f"; {len(plan.unknown)} have no constant weights and stay in float ({some})"
    return line


def _budget(options: argparse.Namespace, chosen: "CalibrationSet") -> "Allowance":
    """What may be lost, on people who neither calibrate nor are measured afterwards."""
    import numpy as np

    from embedge.export.int8.budget.precision_plan import Allowance
    from embedge.export.int8.calibration_set import (
        comparable,
        decoded_pictures,
        person_of,
    )
    from embedge.progress import Progress

    names = comparable(chosen.choose, options.judge, seed=options.seed)
    people = np.array([person_of(name) for name in names])
    progress = Progress()
    progress.say(f"judging on {len(names)} other pictures of {len(np.unique(people))} people …")
    faces = decoded_pictures(chosen.root, names)
    return Allowance(options.budget, options.fmr, faces, people, progress)


def _plan_text(plan: "PrecisionPlan") -> str:
    assert plan.result is not None  # it was searched for
    assert plan.all_int8 is not None
    lines = [
        f"TAR at FMR {plan.result.fmr:g} loses {plan.result.tar_loss:.3f} points"
        f" ({plan.all_int8.tar_loss:.3f} with everything in INT8)"
    ]
    lines += [
        f"  float: {layer.node} ({100 * layer.macs_share:.2f} % of the multiplications):"
        f" {layer.why}"
        for layer in plan.float_layers()
    ]
    if plan.reached and not plan.kept:
        lines.append("the budget holds: nothing more stays in float")
    if not plan.reached:
        lines.append(f"the budget of {plan.budget:g} points is not reached")
    return "\n".join(lines)


def _text(figures: "BeforeAfter") -> str:
    parity, before, after = figures.parity, figures.before, figures.after
    lines = [
        f"cosine to float on {parity.n} other pictures:"
        f" mean {parity.mean:.5f}, p1 {parity.p1:.5f}, lowest {parity.min:.5f}",
        f"size      {before.bytes / 1e6:8.2f} MB -> {after.bytes / 1e6:8.2f} MB",
        f"latency   {before.p50_ms:8.2f} ms -> {after.p50_ms:8.2f} ms"
        f"  ({figures.speedup:.2f} times as fast; ONNX Runtime CPU, 1 thread, batch 1, median)",
    ]
    if figures.disturbed:
        lines.append("other processes used the processor meanwhile: measure again for a record")
    return "\n".join(lines)
