"""Measure a bundle on this machine: latency, throughput, load patterns, cold start, energy.

Writes a report of its own, which `embedge report merge` joins to the bundle's report. Times are
taken on faces: rendered ones, or your own with --images. Exit code 0 means that it was measured;
disturbed rounds are flagged in the report.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedge.bench import SCENARIOS
from embedge.cli.device.matcher_options import add_runtime_option
from embedge.cli.numbers import SECONDS
from embedge.errors import EmbedgeError
from embedge.printed import printable

if TYPE_CHECKING:
    from embedge.bench.bundle_bench import BenchOptions, OpenEncoder
    from embedge.bench.results import Latency
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.encoders.placement import Placement

_FACES = 32
_MOST = 4096  # threads, streams or pictures at one time
_SCENE = (480, 640)
WRITES = ("out",)  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle folder NAME.embedge, or its .zip")
    parser.add_argument("--artifact", action="append", help="measure only this one (repeatable)")
    add_runtime_option(parser)
    parser.add_argument(
        "--engine", action="store_true", help="run the TensorRT engines built from the artifacts"
    )
    parser.add_argument(
        "--images", type=Path, nargs="+", help="aligned face crops to measure on, as files"
    )
    parser.add_argument("--threads", type=_counts, help="thread sweep, as 1,2,4 (default: 1,all)")
    parser.add_argument("--batches", type=_counts, default=(1, 2, 4, 8, 16, 32), help="offline")
    parser.add_argument("--streams", type=_counts, default=(2, 4), help="multi-stream callers")
    parser.add_argument(
        "--scenario", action="append", choices=SCENARIOS, help="only this one (repeatable)"
    )
    parser.add_argument("--seconds", type=SECONDS, default=4.0, help="of each measurement")
    parser.add_argument("--sustained-seconds", type=SECONDS, default=30.0)
    parser.add_argument(
        "--out", type=Path, help="folder for report.json, and report.html where it can be drawn"
    )
    parser.add_argument("--json", action="store_true", help="print the latency section")


def run(options: argparse.Namespace) -> int:
    from embedge.bench.bundle_bench import bundle_latency
    from embedge.cli.machine.bench_text import bench_text
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.typed import plain

    tell = _silent if options.json else _tell
    with Bundle.open(options.bundle) as bundle:
        wanted = _wanted(options, bundle)
        crops, queries = _faces(options, bundle)
        found = bundle_latency(
            options.bundle,
            wanted,
            _opener(bundle, options),
            crops=crops,
            queries=queries,
            tell=tell,
        )
        placed = None if options.engine or options.runtime else _placements(bundle, wanted)
        latency = replace(found, placement=placed)
        if options.out:
            tell(_written(bundle, wanted, latency, options.out))
    print(json.dumps(plain(latency), indent=2) if options.json else bench_text(latency))
    return 0


def _written(bundle: "Bundle", wanted: "BenchOptions", latency: "Latency", out: Path) -> str:
    """The report, and its page where this machine can draw one; `report render` can elsewhere."""
    from embedge.optional import available
    from embedge.report.device import device_report
    from embedge.report.write import write_figures, write_report

    drawn = available("jinja2") and available("matplotlib")
    report = device_report(bundle, wanted.artifacts, latency)
    return str((write_report if drawn else write_figures)(report, out))


def _tell(line: str) -> None:
    print(f"  {printable(line)}", flush=True)


def _silent(_: str) -> None:
    """With --json only the result is printed."""


def _wanted(options: argparse.Namespace, bundle: "Bundle") -> "BenchOptions":
    from embedge.bench.artifacts import thread_counts
    from embedge.bench.bundle_bench import BenchOptions
    from embedge.runtime.encoders.bundled import chosen_artifact, importable

    runnable = [
        name
        for name, one in bundle.artifacts.items()
        if (options.engine or not name.endswith("-trt")) and importable(one.runtime)
    ]
    if options.runtime is not None:
        runnable = [chosen_artifact(bundle, None, options.runtime).name]
    chosen = options.artifact or sorted(runnable, key=lambda n: n != bundle.default_artifact)
    for name in chosen:
        bundle.artifact(name)
    return BenchOptions(
        artifacts=tuple(chosen),
        threads=(1,) if options.engine else options.threads or thread_counts(),
        scenarios=tuple(options.scenario or SCENARIOS),
        batches=options.batches,
        streams=options.streams,
        seconds=options.seconds,
        sustained_seconds=options.sustained_seconds,
    )


def _opener(bundle: "Bundle", options: argparse.Namespace) -> "OpenEncoder":
    from embedge.runtime.encoders.bundled import TENSORRT, encoder_from_bundle

    provider = TENSORRT if options.engine else None
    return lambda artifact, threads: encoder_from_bundle(
        bundle,
        artifact,
        runtime=options.runtime,
        require_provider=provider,
        threads=threads,
    )


def _faces(options: argparse.Namespace, bundle: "Bundle") -> tuple[Any, Any]:
    """Crops for the encoder, and pairs of encoded pictures with landmarks for a verification."""
    return _given(options.images, bundle) if options.images else _rendered(bundle)


def _given(paths: list[Path], bundle: "Bundle") -> tuple[Any, Any]:
    import numpy as np

    from embedge.runtime.picture.images import rgb_from_picture

    size = bundle.contract.size
    crops = [rgb_from_picture(path) for path in paths]
    for path, crop in zip(paths, crops):
        if crop.shape != (size, size, 3):
            raise EmbedgeError(
                "E-NOT-ALIGNED",
                f"the picture is {crop.shape[1]}×{crop.shape[0]}, a crop is {size}×{size}",
                where=path,
                remedy="Give aligned crops, or leave --images out to measure on rendered faces",
            )
    queries = [(path.read_bytes(), bundle.contract.template) for path in paths]
    return np.stack(crops), list(zip(queries, [*queries[1:], queries[0]]))


def _rendered(bundle: "Bundle") -> tuple[Any, Any]:
    import numpy as np

    try:
        from embedge.train.render import FaceRenderer
    except ModuleNotFoundError as error:
        raise EmbedgeError(
            "E-BENCH",
            "rendered faces are drawn by the whole toolkit, and this is its device's share",
            remedy="Give aligned crops with --images",
        ) from error

    if bundle.contract.size != 112:
        raise EmbedgeError(
            "E-BENCH",
            f"rendered faces are 112 pixels wide, this bundle takes {bundle.contract.size}",
            remedy="Give aligned crops with --images",
        )
    renderer = FaceRenderer()
    people = np.arange(_FACES)
    scenes = [renderer.render_scene(person, 0, _SCENE) for person in range(4)]
    queries = [(_jpeg(scene.image), scene.landmarks) for scene in scenes]
    return renderer.render(people, people % 3).images, list(zip(queries, queries[::-1]))


def _jpeg(image: Any) -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _placements(bundle: "Bundle", wanted: "BenchOptions") -> dict[str, "Placement"]:
    from embedge.runtime.bundle.manifest import ONNX_RUNTIME
    from embedge.runtime.encoders.placement import node_placement

    artifacts = [bundle.artifact(name) for name in wanted.artifacts]
    return {
        one.name: node_placement(bundle.read(one.file))
        for one in artifacts
        if one.runtime == ONNX_RUNTIME
    }


def _counts(text: str) -> tuple[int, ...]:
    """`1,2,4`; argparse turns the error into its usual message."""
    counts = tuple(int(part) for part in text.split(","))
    if min(counts) < 1 or max(counts) > _MOST:
        raise argparse.ArgumentTypeError(f"give numbers from 1 to {_MOST}, as 1,2,4")
    return counts
