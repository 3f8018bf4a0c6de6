"""Quantise an ONNX embedding network to INT8, and show what it costs and gains.

The model may be foreign: any float32 network from one aligned picture to one embedding.
Pictures under --calib are aligned faces, PERSON/PICTURE or flat. Some are chosen for
calibration; others measure cosine and latency before and after.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedge.export.int8.budget.precision_plan import PrecisionPlan
    from embedge.export.int8.calibration_set import CalibrationSet

    Images = NDArray[np.uint8]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--calib", type=Path, required=True, metavar="DIR", help="aligned faces")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="INT8 ONNX file")
    parser.add_argument(
        "--target",
        choices=("cpu", "trt", "trt8"),
        default="cpu",
        help="cpu: U8S8 for ONNX Runtime; trt: symmetric S8; trt8: the same for TensorRT 8",
    )
    parser.add_argument(
        "--method", choices=("max", "percentile", "mse", "entropy"), default="mse", help="ranges"
    )
    parser.add_argument("--count", type=int, default=256, metavar="N", help="calibration pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--weight-bits", type=int, choices=(7, 8), default=8, help="7: x86 without VNNI saturates"
    )
    parser.add_argument(
        "--keep", action="append", default=[], metavar="NODE", help="leave this node in float"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FILE", help="also write a TensorRT calibration cache"
    )
    parser.add_argument(
        "--budget",
        type=float,
        metavar="POINTS",
        help="keep layers in float until TAR at --fmr loses at most this; needs PERSON/PICTURE",
    )
    parser.add_argument(
        "--judge", type=int, default=600, metavar="N", help="pictures --budget is judged on"
    )
    parser.add_argument("--fmr", type=float, default=1e-3, help="operating point of --budget")
    parser.add_argument("--seconds", type=float, default=6.0, help="time spent on the latency")
    parser.add_argument("--no-figures", action="store_true", help="only write the file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")


def run(options: argparse.Namespace) -> int:
    from embedge.export.int8.qdq import calibrated_graph, quantisable_graph, quantised, write_for
    from embedge.files import write_json
    from embedge.optional import require
    from embedge.progress import Progress

    require("onnx", extra="export")
    quantisable_graph(options.model)  # a wrong file is told before many pictures are read
    chosen, rest = _chosen(options)
    images = _decoded(chosen.root, chosen.names)
    Progress().say(f"calibrating on {len(images)} of {chosen.offered} pictures …")
    calibrated = calibrated_graph(options.model, images, options.target)
    plan = _plan(options, calibrated, images, chosen)
    plan.write(options.out.with_suffix(".plan.json"))
    kept = frozenset(options.keep) | plan.nodes
    graph = quantised(
        calibrated,
        images,
        options.method,
        kept=kept,
        weight_bits=options.weight_bits,
    )
    write_for(graph, options.target, options.out)
    if options.cache:
        _write_cache(options.cache, calibrated, options.method)
    chosen.write(options.out.with_suffix(".calibration.json"))
    print(f"{options.out}: INT8 for {options.target}, from {len(images)} pictures")
    if options.no_figures:
        return 0
    figures = _figures(options, _decoded(chosen.root, rest))
    print(_text(figures))
    if options.target != "cpu":
        print("the time is ONNX Runtime's, which this graph is not for: measure it in TensorRT")
    if options.json:
        write_json(options.json, figures)
    return 0


def _plan(
    options: argparse.Namespace, calibrated: Any, images: "Images", chosen: "CalibrationSet"
) -> "PrecisionPlan":
    """What stays in float, searched if there is a budget; written beside the model."""
    import numpy as np

    from embedge.export.graph.channels import is_weighted
    from embedge.export.int8.budget.precision_plan import PrecisionPlan, planned
    from embedge.export.int8.calibration_set import comparable, person_of, picture_files
    from embedge.progress import Progress

    if options.budget is None:
        return PrecisionPlan(calibrated.target, calibrated.closing)
    others = set(picture_files(chosen.root)) - set(chosen.names)
    names = comparable(others, options.judge, seed=options.seed)
    people = np.array([person_of(name) for name in names])
    layers = sum(is_weighted(calibrated.graph, node) for node in calibrated.graph.nodes)
    progress = Progress()
    progress.say(f"judging on {len(names)} other pictures of {len(np.unique(people))} people …")
    with progress.task("trying layers in float", layers - len(calibrated.closing)) as task:
        plan = planned(
            calibrated,
            images,
            options.method,
            _decoded(chosen.root, names),
            people,
            fmr=options.fmr,
            budget=options.budget,
            watch=lambda done, total: task.advance(),
        )
    print(_plan_text(plan, options))
    return plan


def _plan_text(plan: "PrecisionPlan", options: argparse.Namespace) -> str:
    assert plan.result is not None  # it was searched for
    assert plan.all_int8 is not None
    lines = [
        f"TAR at FMR {options.fmr:g} loses {plan.result.tar_loss:.3f} points"
        f" ({plan.all_int8.tar_loss:.3f} with everything in INT8)"
    ]
    lines += [
        f"  float: {layer['node']} ({100 * layer['macs_share']:.2f} % of the multiplications):"
        f" {layer['why']}"
        for layer in plan.float_layers()
    ]
    if plan.reached and not plan.kept:
        lines.append("the budget holds: nothing more stays in float")
    if not plan.reached:
        lines.append(f"the budget of {options.budget:g} points is not reached")
    return "\n".join(lines)


def _chosen(options: argparse.Namespace) -> "tuple[CalibrationSet, list[str]]":
    """(the calibration set, other pictures for the figures)."""
    import numpy as np

    from embedge.export.int8.calibration_set import (
        CalibrationSet,
        choose,
        person_of,
        picture_features,
        picture_files,
    )

    names = picture_files(options.calib)
    rng = np.random.default_rng(options.seed)
    # features of every picture of a large folder would take longer than the calibration
    most = min(len(names), 8 * max(options.count, 1))
    pool = [names[i] for i in np.sort(rng.permutation(len(names))[:most])]
    images = _decoded(options.calib, pool)
    people = [person_of(name) for name in pool]
    features = picture_features(images)
    taken = choose(features, people, options.count, seed=options.seed)
    left = sorted(set(range(len(pool))) - set(taken.tolist()))
    spare = rng.permutation(left)[:200] if left else taken
    chosen = CalibrationSet(options.calib, tuple(pool[i] for i in taken), len(names), options.seed)
    return chosen, [pool[i] for i in spare]


def _decoded(root: Path, names: "tuple[str, ...] | list[str]") -> "Images":
    import numpy as np

    from embedge.errors import EmbedgeError
    from embedge.runtime.picture.images import rgb_from_picture

    if not names:
        raise EmbedgeError(
            "E-CALIBRATION", "there is no picture", where=root, remedy="Give aligned faces"
        )
    images = [rgb_from_picture(root / name) for name in names]
    for name, image in zip(names, images):
        if image.shape != images[0].shape:
            raise EmbedgeError(
                "E-CALIBRATION",
                f"pictures differ in size: {images[0].shape[:2]} and {image.shape[:2]}",
                where=root / name,
                remedy="Align the faces first: all crops have the size of the model",
            )
    return np.stack(images)


def _write_cache(path: Path, calibrated: Any, method: Any) -> None:
    from embedge.export.engines.calibration_cache import write_calibration_cache
    from embedge.export.int8.placement import wanted_tensors

    wanted = wanted_tensors(calibrated.graph, calibrated.target)
    ranges = calibrated.ranges(wanted, method)
    write_calibration_cache(path, {name: ranges[wanted.root(name)] for name in wanted.tensors})


def _figures(options: argparse.Namespace, images: "Images") -> dict[str, Any]:
    from embedge.export.int8.budget.before_after import before_after

    return before_after(options.model, options.out, images, seconds=options.seconds)


def _text(figures: dict[str, Any]) -> str:
    parity, before, after = figures["parity"], figures["before"], figures["after"]
    lines = [
        f"cosine to float on {parity['count']} other pictures:"
        f" mean {parity['mean']:.5f}, p1 {parity['p1']:.5f}, lowest {parity['minimum']:.5f}",
        f"size      {before['bytes'] / 1e6:8.2f} MB -> {after['bytes'] / 1e6:8.2f} MB",
        f"latency   {before['p50_ms']:8.2f} ms -> {after['p50_ms']:8.2f} ms"
        f"  ({figures['speedup']:.2f} times as fast; ONNX Runtime CPU, 1 thread, batch 1, median)",
    ]
    if figures["disturbed"]:
        lines.append("other processes used the processor meanwhile: measure again for a record")
    return "\n".join(lines)
