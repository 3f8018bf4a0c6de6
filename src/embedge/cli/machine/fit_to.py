"""A student's shape from the milliseconds that a device allows.

Networks of many shapes are timed on the device, the largest that fit learn for a short while, and
a table says which errs least. `--write` and `--measure` are for a device that is not this machine:
it needs the base install only. Without --device this machine is measured.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.numbers import COUNT, SECONDS, THREADS, Number
from embedge.errors import EmbedgeError

if TYPE_CHECKING:
    from embedge.bench.fitting.shapes import DeviceTimes
    from embedge.pipeline.fitting.candidates import Grid
    from embedge.progress import Progress

TAKES_OVERRIDES = True
WRITES = ("out", "write")  # options that name outputs
_SHARE = Number(0, 2, "a number above 0, up to 2", within=True)
_MILLISECONDS = Number(0, 60_000, "a time such as 4ms", within=True)


def configure(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--latency", type=_milliseconds, help="of one face at most, as 4ms")
    what.add_argument("--write", type=Path, help="write the shapes into this folder, no more")
    what.add_argument("--measure", type=Path, help="time the shapes of this folder here, no more")
    parser.add_argument("--device", type=Path, help="a device's times; --measure writes them")
    parser.add_argument(
        "--recipe", default="compare", help="whose faces, teacher and method are taken"
    )
    parser.add_argument("--train", type=COUNT, default=4, help="shapes that learn, at most")
    parser.add_argument("--steps", type=COUNT, default=600, help="that each of them learns for")
    parser.add_argument("--seeds", type=COUNT, default=1, help="students of each")
    parser.add_argument("--precision", action="append", help="only this one may run (repeatable)")
    parser.add_argument("--dim", type=COUNT, default=512, help="of the embedding, with --write")
    parser.add_argument("--widths", type=_shares, help="as 0.25,0.5,1")
    parser.add_argument("--depths", type=_shares, help="as 0.5,1")
    parser.add_argument(
        "--architectures", type=_some_of("mobilefacenet", "repface"), help="one or both"
    )
    parser.add_argument(
        "--activations", type=_some_of("relu", "prelu", "relu6"), help="as relu,prelu"
    )
    parser.add_argument("--threads", type=THREADS, default=1)
    parser.add_argument("--seconds", type=SECONDS, default=120.0, help="of timing, all together")
    parser.add_argument("--out", type=Path, default=Path("runs/fit-to"), help="run folder")
    parser.add_argument("--quiet", action="store_true", help="say nothing but the table")
    parser.epilog = "Any key of the recipe may follow as --section.key value."


def run(options: argparse.Namespace) -> int:
    # read once, when torch loads: threads that wait by spinning starve a busy machine
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from embedge.progress import Progress

    progress = Progress(quiet=options.quiet)
    if options.measure is not None:
        if options.device is None:
            raise EmbedgeError(
                "E-FIT", "nothing says where the times go", remedy="Add --device FILE"
            )
        _measured(options.measure, options, progress).write(options.device)
        print(f"written: {options.device}")
    elif options.write is not None:
        _written(options.write, options, options.dim, progress)
        print(f"written: {options.write}")
        print("on the device: embedge fit-to --measure FOLDER --device FILE")
    else:
        _fit(options, progress)
    return 0


def _fit(options: argparse.Namespace, progress: "Progress") -> None:
    from embedge.bench.fitting.shapes import DeviceTimes
    from embedge.pipeline.compare.comparing import shown_fmr
    from embedge.pipeline.fitting.choosing import fitted, fragment, keep, shortlist, told
    from embedge.pipeline.recipe_file import load_recipe
    from embedge.pipeline.run import open_run

    overrides = ["--student.train.steps", str(options.steps), *options.overrides]
    recipe = load_recipe(options.recipe, overrides)
    given = None if options.device is None else DeviceTimes.read(options.device)
    with open_run(options.out, recipe.to_json(), progress, update=True) as work:
        dim = recipe.student.dim or options.dim
        device = given or _this_machine(work.folder, options, dim, progress)
        wanted = shortlist(device, options.latency, options.train, options.precision or ())
        progress.say(f"learning: {', '.join(fit.shape.name for fit in wanted)}")
        found = fitted(work, recipe, wanted, range(options.seeds))
        figures, keys = keep(work, found, device, options.latency), fragment(work, found[0])
    print(told(found, device, shown_fmr(recipe)))
    best = found[0]
    print(
        f"\n{best.shape.name} errs least within {options.latency:g} ms ({best.timing.ms:.2f} ms)."
    )
    print(f"its keys: {keys}\nfigures:  {figures}")


def _this_machine(
    folder: Path, options: argparse.Namespace, dim: int, progress: "Progress"
) -> "DeviceTimes":
    """Measured once for a run folder: a second call chooses by the same times."""
    from embedge.bench.fitting.shapes import DeviceTimes

    kept = folder / "device.json"
    if not kept.is_file():
        _written(folder / "shapes", options, dim, progress)
        _measured(folder / "shapes", options, progress).write(kept)
    return DeviceTimes.read(kept)


def _written(folder: Path, options: argparse.Namespace, dim: int, progress: "Progress") -> None:
    from embedge.pipeline.fitting.candidates import write_candidates

    write_candidates(folder, _grid(options), dim, progress)


def _measured(folder: Path, options: argparse.Namespace, progress: "Progress") -> "DeviceTimes":
    from embedge.bench.fitting.timing import device_times

    return device_times(folder, seconds=options.seconds, threads=options.threads, tell=progress.say)


def _grid(options: argparse.Namespace) -> "Grid":
    from dataclasses import replace

    from embedge.pipeline.fitting.candidates import Grid

    keys = ("widths", "depths", "architectures", "activations")
    given = {key: getattr(options, key) for key in keys if getattr(options, key) is not None}
    return replace(Grid(), **given)


def _milliseconds(text: str) -> float:
    return _MILLISECONDS(text.removesuffix("ms"))


def _shares(text: str) -> tuple[float, ...]:
    return tuple(_SHARE(part) for part in text.split(","))


def _some_of(*known: str) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        given = tuple(text.split(","))
        if unknown := [name for name in given if name not in known]:
            told = f"there is no '{unknown[0]}' among {', '.join(known)}"
            raise argparse.ArgumentTypeError(told)
        return given

    return names
