"""Build a TensorRT engine from a bundle or an ONNX file, on the device that will run it.

The engine is checked against its graph and timed on faces; only then it joins the bundle. INT8 and
FP16 are built both unless one is asked for, and the faster one that agrees is kept. What was
measured is written as a report that `embedge report merge` adds to the bundle's own. The engine of
an ONNX file is put beside it.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.numbers import COUNT, PART, SECONDS, WHOLE, whole
from embedge.errors import EmbedgeError

if TYPE_CHECKING:
    from embedge.export.engines.options import EngineOptions
    from embedge.export.engines.tensorrt.progress import Progress
    from embedge.pipeline.additions.engine_in_bundle import BuiltEngine, Checking
    from embedge.progress import Task
    from embedge.runtime.picture.images import RgbImage

_MOST_FACES = 256
_RENDERED = 32
_CACHE = Path("~/.cache/embedge/timings")
WRITES = ("out", "report")  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle folder NAME.embedge, or MODEL.onnx")
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "fp16", "int8"),
        default="auto",
        help="auto: INT8 or FP16, whichever is faster here; what an ONNX file says (default: auto)",
    )
    parser.add_argument("--artifact", help="build from this graph (default: the precision's)")
    parser.add_argument(
        "--out", type=Path, metavar="PLAN", help="of MODEL.onnx: the plan (default: beside it)"
    )
    parser.add_argument(
        "--drop-signature", action="store_true", help="change a signed bundle; sign it again then"
    )
    parser.add_argument("--target", choices=("tensorrt", "rtx"), default="tensorrt")
    _configure_build(parser)
    _configure_check(parser)


def _configure_build(parser: argparse.ArgumentParser) -> None:
    build = parser.add_argument_group("build")
    build.add_argument(
        "--batch",
        default="1",
        metavar="N or MIN,BEST,MAX",
        help="one size (runs as a CUDA graph) or a range (default: 1)",
    )
    build.add_argument(
        "--remainder",
        choices=("fp16", "fp32"),
        default="fp16",
        help="precision of an INT8 engine outside its quantised layers (default: fp16)",
    )
    build.add_argument("--workspace", type=COUNT, default=1024, metavar="MIB")
    build.add_argument("--level", type=whole(0, 5), help="builder optimisation level, 0 to 5")
    build.add_argument("--dla", type=WHOLE, metavar="CORE", help="run on this DLA core")
    build.add_argument("--tf32", action="store_true", help="let FP32 layers use TF32")
    build.add_argument(
        "--version-compatible",
        action="store_true",
        help="loadable by later versions of the same major TensorRT",
    )
    build.add_argument("--hardware", choices=("ampere-plus", "same-capability"))
    build.add_argument(
        "--sm",
        type=COUNT,
        action="append",
        default=[],
        help="rtx: build ahead of time for this compute capability (may be repeated)",
    )
    build.add_argument("--timing-cache", type=Path, default=_CACHE, metavar="DIR")


def _configure_check(parser: argparse.ArgumentParser) -> None:
    check = parser.add_argument_group("check")
    check.add_argument("--faces", type=Path, metavar="DIR", help="aligned crops to check with")
    check.add_argument("--seconds", type=SECONDS, default=20.0, help="time to measure latency for")
    check.add_argument("--bound", type=PART, help="lowest cosine to the graph that passes")
    check.add_argument("--memory", choices=("pycuda", "cuda-bindings"), help="CUDA memory layer")
    check.add_argument("--report", type=Path, help="where to write the device's report.json")
    parser.add_argument("--json", action="store_true", help="print the sidecar as JSON")


def run(options: argparse.Namespace) -> int:
    from embedge.progress import Progress

    single = options.bundle.suffix == ".onnx"
    _require_fitting(options, single=single)
    with Progress().task("building the engine", total=100) as task:
        built = (_of_onnx if single else _of_bundle)(options, _percent(task))
    print(json.dumps(built.card.to_json(), indent=2) if options.json else _text(built))
    return 0


def _of_bundle(options: argparse.Namespace, progress: "Progress") -> "BuiltEngine":
    from embedge.files import write_json
    from embedge.pipeline.additions.engine_in_bundle import engine_into_bundle
    from embedge.typed import plain

    built = engine_into_bundle(
        options.bundle,
        options.artifact,
        [_engine_options(options, one) for one in _precisions(options)],
        _checking(options),
        drop_signature=options.drop_signature,
        command=" ".join(["embedge", *sys.argv[1:]]),
        progress=progress,
    )
    if built.report is not None:
        path = options.report or options.bundle.parent / f"{Path(built.file).stem}.report.json"
        write_json(path, plain(built.report))
        print(f"report    {path}  (embedge report merge REPORT {path} --out DIR)", file=sys.stderr)
    return built


def _of_onnx(options: argparse.Namespace, progress: "Progress") -> "BuiltEngine":
    from embedge.pipeline.additions.engine_of_onnx import engine_of_onnx, precision_of_onnx

    auto = options.precision == "auto"
    precision = precision_of_onnx(options.bundle) if auto else options.precision
    wanted = _engine_options(options, precision)
    return engine_of_onnx(
        options.bundle, wanted, _checking(options), out=options.out, progress=progress
    )


def _require_fitting(options: argparse.Namespace, *, single: bool) -> None:
    """Some options are of a bundle, one is of a file."""
    given = {
        "--artifact": options.artifact,
        "--report": options.report,
        "--drop-signature": options.drop_signature,
    }
    wrong = [name for name, value in given.items() if value] if single else []
    wrong += ["--out"] if options.out and not single else []
    if wrong:
        raise EmbedgeError(
            "E-ENGINE-OPTION",
            f"{', '.join(wrong)} does not go with {options.bundle.name}",
            remedy="Leave it out: a bundle takes its engines in, an ONNX file has no artifacts",
        )


def _precisions(options: argparse.Namespace) -> tuple[str, ...]:
    """Those to build; of two the faster one is kept."""
    if options.precision != "auto":
        return (options.precision,)
    if options.sm:
        raise EmbedgeError(
            "E-ENGINE-OPTION",
            "which precision is faster can be told on the device only, and --sm builds ahead",
            remedy="Give --precision int8, fp16 or fp32 beside --sm",
        )
    return ("fp16",) if options.dla is not None else ("int8", "fp16")


def _engine_options(options: argparse.Namespace, precision: str) -> "EngineOptions":
    from embedge.export.engines.options import EngineOptions

    return EngineOptions(
        precision=precision,
        target=options.target,
        batches=_batches(options.batch),
        workspace_mib=options.workspace,
        timing_cache=options.timing_cache.expanduser(),
        version_compatible=options.version_compatible,
        hardware=options.hardware,
        dla=options.dla,
        optimisation_level=options.level,
        tf32=options.tf32,
        remainder=options.remainder,
        sms=tuple(options.sm),
    )


def _checking(options: argparse.Namespace) -> "Checking":
    from embedge.pipeline.additions.engine_in_bundle import Checking

    return Checking(
        crops=_rendered if options.faces is None else lambda: _crops(options.faces),
        seconds=options.seconds,
        memory=options.memory,
        bound=options.bound,
    )


def _batches(text: str) -> tuple[int, int, int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    match sizes:
        case [size]:
            return (size, size, size)
        case [smallest, best, largest]:
            return (smallest, best, largest)
    raise EmbedgeError(
        "E-ENGINE-OPTION", f"--batch {text} is not a size", remedy="Give 1, or 1,4,16"
    )


def _crops(folder: Path) -> "RgbImage":
    """Aligned crops of a folder, in the order of their names."""
    from embedge.export.int8.calibration_set import decoded_pictures, picture_files

    return decoded_pictures(folder, picture_files(folder)[:_MOST_FACES])


def _rendered() -> "RgbImage":
    """Faces, though of nobody: a graph's time depends on its input, noise would mislead."""
    import numpy as np

    from embedge.train.render import FaceRenderer

    numbers = np.arange(_RENDERED)
    return FaceRenderer(seed=6).render(numbers, numbers).images


def _percent(task: "Task") -> "Progress":
    """TensorRT tells a share; the progress bar counts whole steps."""
    done = 0

    def tell(share: float, phase: str) -> None:
        nonlocal done
        steps = int(100 * share) - done
        if steps > 0:
            done += steps
            task.advance(steps, phase)

    return tell


def _text(built: "BuiltEngine") -> str:
    card, check = built.card, built.check
    lines = [
        f"engine    {built.file}  ({card.plan_bytes / 2**20:.1f} MiB, {card.build_seconds:.1f} s)",
        f"built by  TensorRT {card.tensorrt} ({card.target}), {', '.join(card.flags)}",
        *([f"kept      {card.chosen}"] if card.chosen else []),
        f"runs on   {', '.join(f'sm_{sm}' for sm in card.sms)}, batch {card.batches}",
        f"graph     {', '.join(f'{n} {kind}' for kind, n in card.graph_tensors.items())}",
    ]
    if card.layers:
        counts = ", ".join(f"{n} {kind}" for kind, n in card.layers["by_type"].items())
        lines.append(f"layers    {counts}; {len(card.layers['reformats'])} reformats")
    if check is None:
        return "\n".join([*lines, f"check     not run: {built.unchecked}"])
    parity = check.parity
    lines.append(
        f"parity    cosine to its graph: mean {parity.mean:.5f}, lowest {parity.min:.5f}"
        f" of {parity.n} faces (bound {check.bound})"
    )
    for row in check.latency:
        lines.append(f"latency   batch {row.batch}: p50 {row.p50} ms, p99 {row.p99} ms, n {row.n}")
    return "\n".join([*lines, f"ran       {check.provider}"])
