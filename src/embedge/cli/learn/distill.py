"""Distil a student from a teacher, export it, prove it, and write the bundle with its report."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedge.pipeline.recipe import Recipe

TAKES_OVERRIDES = True


def configure(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--recipe", help="a recipe's name or a YAML file")
    which.add_argument("--demo", action="store_true", help="short for --recipe demo")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE)")
    parser.add_argument("--method", help="short for --distill.method")
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
        "--dry-run",
        action="store_true",
        help="open data and teacher, time a step, say what every stage would do; write nothing",
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing but the verdict")
    parser.epilog = (
        "Any key of the recipe may follow as --section.key value. A second identical call reuses"
        " every finished stage. Exit code: 0 all gates passed, 2 a mistake, 3 a gate failed."
    )


def run(options: argparse.Namespace) -> int:
    # read once, when torch loads: threads that wait by spinning starve a busy machine
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from embedge.errors import EmbedgeError, GateFailed
    from embedge.pipeline.chain import distill_and_export
    from embedge.pipeline.recipe_file import load_recipe, recipe_names
    from embedge.pipeline.run import open_run
    from embedge.progress import Progress
    from embedge.report.gate.text import bound_text, gate_lines, value_text
    from embedge.train.loop import ranks

    name = "demo" if options.demo else options.recipe
    if name is None:
        raise EmbedgeError(
            "E-OPTION",
            "no recipe was given",
            remedy=f"Give --demo, or --recipe with one of {', '.join(recipe_names())} or a file",
        )
    recipe = load_recipe(name, _overrides(options))
    progress = Progress(quiet=options.quiet or ranks.launched() > 0)
    if options.allow_download and ranks.launched() == 0:
        _fetch(recipe.teacher.file, progress.say)
    folder = options.out or Path("runs") / recipe.name
    if options.dry_run:
        return _rehearse(folder, recipe, options)
    with (
        ranks.joined(recipe.student.train.device),
        open_run(folder, recipe.to_json(), progress, update=options.update) as work,
    ):
        outcome = distill_and_export(work, recipe, _command())
        if work.reused:
            progress.say(f"reused: {', '.join(work.reused)}")
    if outcome is None:
        return 0
    verdict = outcome.report.verdict
    print(gate_lines(verdict))
    print(f"report:  {outcome.bundle / 'report.html'}\nbundle:  {outcome.bundle}")
    if not verdict.passed:
        failed = [gate for gate in verdict.gates if not gate.passed]
        raise GateFailed(
            "E-GATE",
            "; ".join(
                f"{gate.what} is {value_text(gate)}, bound {bound_text(gate)}" for gate in failed
            ),
            where=folder,
            remedy="See in the report where it is lost; change the recipe or its evaluate.gates",
        )
    return 0


def _rehearse(folder: Path, recipe: "Recipe", options: argparse.Namespace) -> int:
    import yaml

    from embedge.pipeline.dry_run.preview import preview_of

    print(yaml.safe_dump(recipe.to_json(), sort_keys=False, allow_unicode=True))
    print(preview_of(folder, recipe, update=options.update))
    return 0


def _fetch(teacher: str | None, say: Callable[[str], None]) -> None:
    """The only place where a distillation may reach out to the network."""
    from embedge.train.teachers.zoo import PREFIX, fetched_pack

    if teacher is not None and teacher.startswith(PREFIX):
        say(f"model pack: {fetched_pack(teacher.removeprefix(PREFIX))}")


def _overrides(options: argparse.Namespace) -> list[str]:
    overrides = list(options.overrides)
    if options.method:
        overrides += ["--distill.method", options.method]
    if options.no_baseline:
        overrides += ["--distill.baseline", "false"]
    return overrides


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
