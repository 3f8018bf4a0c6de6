"""Every method on rendered faces, three seeds each: who wins on cross-space TAR, and by how much.

    python benchmarks/methods_rendered.py [--out RUN_FOLDER]

An hour on one of two cores; stopped and called again it goes on where it was.
"""

import argparse
import os
from pathlib import Path
from typing import get_args

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from provenance import provenance, write_result
from results_page import write_page

from embedge.pipeline.compare.comparing import compare_methods
from embedge.pipeline.compare.comparison_table import table, verdict
from embedge.pipeline.recipe import MethodName
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.run import open_run
from embedge.progress import Progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/methods-rendered"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    methods = get_args(MethodName)
    recipe = load_recipe("compare", methods=methods)
    with open_run(options.out, recipe.to_json(), Progress(), update=False) as run:
        result = compare_methods(run, recipe, methods, range(options.seeds))
    fmr = recipe.evaluate.gate_fmr
    print(f"{table(result, fmr)}\n\n{verdict(result, fmr)}")
    write_result("methods-rendered", {"provenance": provenance("torch"), **result.to_json()})
    write_page()


if __name__ == "__main__":
    main()
