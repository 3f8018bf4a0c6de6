"""Compare distillation methods: same faces, teacher, steps and seeds; a table, a plot, JSON.

Says which method leads on cross-space TAR, and who cannot be told apart from it.
"""

import argparse
import os
from pathlib import Path

from embedge.cli.numbers import COUNT

TAKES_OVERRIDES = True
WRITES = ("out", "json")  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", default="compare", help="a recipe's name or a YAML file")
    parser.add_argument(
        "--methods", default="scratch,l2e,proxyless,th-kd,sh-kd", help="names with commas between"
    )
    parser.add_argument("--seeds", type=COUNT, default=3, help="students of each method")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--plot", type=Path, help="where the SVG goes (default: in the run folder)")
    parser.add_argument(
        "--update", action="store_true", help="let a run folder take a changed recipe"
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing but the table")
    parser.epilog = (
        "Any key of the recipe may follow as --section.key value. What was trained before, for"
        " other methods or fewer seeds, is reused; a stopped comparison goes on where it was."
    )


def run(options: argparse.Namespace) -> int:
    # read once, when torch loads: threads that wait by spinning starve a busy machine
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from embedge.files import write_json
    from embedge.pipeline.chain import require_means
    from embedge.pipeline.compare.comparing import compare_methods, shown_fmr
    from embedge.pipeline.compare.comparison_table import legend, table, verdict
    from embedge.pipeline.compare.methods_plot import methods_plot
    from embedge.pipeline.recipe_file import load_recipe
    from embedge.pipeline.run import open_run
    from embedge.progress import Progress

    methods = _methods(options.methods)
    seeds = range(options.seeds)
    recipe = load_recipe(options.recipe, options.overrides, methods=methods)
    folder = options.out or Path("runs") / recipe.name
    progress = Progress(quiet=options.quiet)
    require_means(recipe, methods=methods)
    with open_run(folder, recipe.to_json(), progress, update=options.update) as work:
        result = compare_methods(work, recipe, methods, seeds)
    fmr = shown_fmr(recipe)
    if options.json:
        write_json(options.json, result.to_json())
    plot = options.plot or folder / "comparison.svg"
    methods_plot(result, fmr, plot)
    print(f"{table(result, fmr)}\n\n{verdict(result, fmr)}\n{legend(result)}")
    print(f"\nfigures: {options.json or folder / 'comparison.json'}\nplot:    {plot}")
    return 0


def _methods(text: str) -> list[str]:
    from typing import get_args

    from embedge.errors import EmbedgeError
    from embedge.pipeline.recipe import MethodName

    known = get_args(MethodName)
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise EmbedgeError(
            "E-METHOD",
            f"there is no method {', '.join(repr(name) for name in unknown)}",
            remedy=f"Give some of: {', '.join(known)}",
        )
    return names
