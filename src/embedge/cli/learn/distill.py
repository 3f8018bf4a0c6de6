"""Distil a student from a teacher, export it, prove it, and write the bundle with its report.

    distill-and-export FACES --teacher T.onnx --out lock

takes aligned faces of yours, one folder per person (`embedge data align` makes them), and a teacher
of yours; the recipe `own` then chooses sizes and steps by them. FACES comes first.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedge.pipeline.recipe import Recipe

TAKES_OVERRIDES = True
WRITES = ("out",)  # options that name outputs


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}$")  # what may name a bundle
METHODS = ("scratch", "kd", "l2e", "rkd", "proxyless", "th-kd", "sh-kd", "adadistill", "gkd")


def spelled_out(arguments: list[str]) -> list[str]:
    """A first argument that is no option is FACES: elsewhere it could be some key's value."""
    faces = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    return [f"--faces={faces[0]}", *arguments[1:]] if faces else arguments


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = "%(prog)s [FACES] [--teacher FILE] [--out DIR] [options] [--section.key value …]"
    parser.add_argument("--faces", help=argparse.SUPPRESS)
    parser.add_argument(
        "--teacher", metavar="FILE", help="an .onnx, .safetensors, .pt, or insightface:PACK"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--recipe", help="a recipe's name or a YAML file")
    which.add_argument("--demo", action="store_true", help="short for --recipe demo")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE)")
    parser.add_argument(
        "--method",
        metavar="NAME",
        help=f"short for --distill.method: {', '.join(METHODS)} (recipes say th-kd)",
    )
    parser.add_argument(
        "--no-baseline", action="store_true", help="leave the student from scratch out"
    )
    parser.add_argument(
        "--update", action="store_true", help="let a run folder take a changed recipe"
    )
    parser.add_argument(
        "--allow-download",
        action="store_true",
        help="fetch the model pack of --teacher.file insightface:PACK if it is not here",
    )
    parser.add_argument(
        "--detector", type=Path, metavar="D.onnx", help="a face detector to put into the bundle"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="open data and teacher, time a step, say what every stage would do; write nothing",
    )
    parser.add_argument(
        "--show-recipe", action="store_true", help="with --dry-run: print every key as well"
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing but the verdict")
    parser.epilog = (
        "Any key of the recipe may follow as --section.key value. A second identical call reuses"
        " every finished stage. Exit code: 0 all gates passed, 2 a mistake, 3 a gate failed."
    )


def run(options: argparse.Namespace) -> int:
    # read once, when torch loads: threads that wait by spinning starve a busy machine
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from embedge.errors import GateFailed
    from embedge.pipeline.additions.detector_in_bundle import detector_into_bundle, detector_kind
    from embedge.pipeline.chain import distill_and_export, require_means
    from embedge.pipeline.run import open_run
    from embedge.progress import Progress
    from embedge.report.gate.text import failure_text, gate_lines, shortage_lines
    from embedge.train.loop import ranks

    _require_files(options)
    recipe = _recipe(options)
    if options.detector:  # a wrong one is told before hours of training
        detector_kind(options.detector)
    progress = Progress(quiet=options.quiet or ranks.launched() > 0)
    if options.allow_download and ranks.launched() == 0:
        _fetch(recipe.teacher.file, progress.say)
    folder = options.out or Path("runs") / recipe.name
    if options.dry_run:  # one process tells
        return 0 if ranks.launched() else _rehearse(folder, recipe, options)
    with ranks.joined("cuda" if "cuda" in recipe.devices else "cpu"):
        ranks.agreed(lambda: require_means(recipe, ranks.world()))
        with open_run(folder, recipe.to_json(), progress, update=options.update) as work:
            command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
            outcome = distill_and_export(work, recipe, command)
            if work.reused:
                progress.say(f"reused: {', '.join(work.reused)}")
    if outcome is None:
        return 0
    if options.detector:
        detector_into_bundle(outcome.bundle, options.detector)
    verdict = outcome.report.verdict
    print(gate_lines(verdict))
    for line in shortage_lines(outcome.report):
        print(line)
    print(f"report:  {outcome.bundle / 'report.html'}\nbundle:  {outcome.bundle}")
    if verdict.failed:
        raise GateFailed(
            "E-GATE",
            failure_text(verdict.failed),
            where=folder,
            remedy="See in the report where it is lost; change the recipe or its evaluate.gates",
        )
    return 0


def _require_files(options: argparse.Namespace) -> None:
    """Of one that is missing its reader tells more; of several all are told at once."""
    from embedge.errors import EmbedgeError

    given = dict(zip(options.overrides[::2], options.overrides[1::2]))
    paths = {
        "FACES": options.faces or given.get("--data.source"),
        "--teacher": options.teacher or given.get("--teacher.file"),
        "--detector": options.detector,
    }
    missing = [
        f"{name} {path}"
        for name, path in paths.items()
        if path and not re.search(r"^\w+:|\{", str(path)) and not Path(path).exists()
    ]
    if len(missing) > 1:
        raise EmbedgeError(
            "E-FILES",
            f"these are not there: {', '.join(missing)}",
            remedy="Check the paths",
        )


def _rehearse(folder: Path, recipe: "Recipe", options: argparse.Namespace) -> int:
    from embedge.pipeline.chain import require_means
    from embedge.pipeline.dry_run.preview import preview_of
    from embedge.train.loop import ranks

    require_means(recipe, ranks.asked_for())
    print(preview_of(folder, recipe, update=options.update))
    if options.show_recipe:
        import yaml

        print(f"recipe\n{yaml.safe_dump(recipe.to_json(), sort_keys=False, allow_unicode=True)}")
    else:
        print("--show-recipe prints every key of the recipe as well")
    return 0


def _recipe(options: argparse.Namespace) -> "Recipe":
    from embedge.errors import EmbedgeError
    from embedge.pipeline.recipe_file import load_recipe, recipe_names, require_recipe_keys

    name, given = "demo" if options.demo else options.recipe, _overrides(options)
    if name is None and options.faces is None:
        require_recipe_keys(given)
        raise EmbedgeError(
            "E-OPTION",
            "no recipe was given",
            remedy="Give FACES and --teacher, or --demo, or --recipe with one of"
            f" {', '.join(recipe_names())} or a file",
        )
    if name not in (None, "own"):
        faces = [] if options.faces is None else ["--data.source", options.faces]
        return load_recipe(name, faces + given)
    return _own(options, given)


def _own(options: argparse.Namespace, given: list[str]) -> "Recipe":
    from embedge.errors import EmbedgeError
    from embedge.pipeline.own import own_overrides
    from embedge.pipeline.recipe_file import load_recipe

    if options.faces is None or options.teacher is None:
        raise EmbedgeError(
            "E-OPTION",
            "the recipe own needs faces and a teacher",
            remedy="Write: distill-and-export FACES --teacher T.onnx --out lock",
        )
    found = own_overrides(options.faces, options.teacher, given)
    named = ["--name", options.out.name] if options.out and _NAME.match(options.out.name) else []
    return load_recipe("own", found + named + given)


def _fetch(teacher: str | None, say: Callable[[str], None]) -> None:
    """The only place where a distillation may reach out to the network."""
    from embedge.train.teachers.zoo import PREFIX, fetched_pack

    if teacher is not None and teacher.startswith(PREFIX):
        say(f"model pack: {fetched_pack(teacher.removeprefix(PREFIX))}")


def _overrides(options: argparse.Namespace) -> list[str]:
    overrides = list(options.overrides)
    if options.teacher:
        overrides += ["--teacher.file", options.teacher]
    if options.method:
        overrides += ["--distill.method", options.method]
    if options.no_baseline:
        overrides += ["--distill.baseline", "false"]
    return overrides
