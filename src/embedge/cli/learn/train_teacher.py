"""Train a teacher from a recipe and write it to one file."""

import argparse
from pathlib import Path

TAKES_OVERRIDES = True
WRITES = ("out",)  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", required=True, help="a recipe's name or a YAML file")
    parser.add_argument("--out", type=Path, required=True, help="the teacher, NAME.safetensors")
    parser.add_argument("--work", type=Path, help="where faces and checkpoints go (default: runs/)")
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")
    parser.epilog = "Any key of the recipe may follow as --section.key value."


def run(options: argparse.Namespace) -> int:
    from typing import get_args

    from embedge.files import write_bytes
    from embedge.pipeline.recipe import MethodName
    from embedge.pipeline.recipe_file import load_recipe
    from embedge.pipeline.run import open_run
    from embedge.pipeline.stages.learn.faces import train_faces_stage
    from embedge.pipeline.stages.learn.teacher import teacher_stage
    from embedge.progress import Progress
    from embedge.train.loop.training import device_named

    # no student learns here: its method says nothing
    recipe = load_recipe(options.recipe, options.overrides, methods=get_args(MethodName))
    recipe.teacher.train.require_shares(1, "teacher.train")
    device_named(recipe.teacher.train.device)
    progress = Progress(quiet=options.quiet)
    folder = options.work or Path("runs") / recipe.name
    with open_run(folder, recipe.to_json(), progress, update=False) as run:
        faces = train_faces_stage(run, recipe)
        teacher = teacher_stage(run, recipe, faces)
        write_bytes(options.out, (teacher.folder / "teacher.safetensors").read_bytes())
    progress.say(f"teacher: {options.out}")
    return 0
