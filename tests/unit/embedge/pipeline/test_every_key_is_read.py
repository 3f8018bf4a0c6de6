"""No key of the recipe says something that nobody hears.

What the training stages read is seen while trainings of every kind are rehearsed; of the other
sections, that the product asks for the key at all. Keys that a recipe's other keys kill are refused
(test_recipe_sense.py).
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import embedge
from embedge.pipeline.dry_run.preview import preview_of
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_file import load_recipe
from embedge.train.section import Section

TINY = Path(__file__).parents[3] / "integration" / "tiny.yaml"
SGD = "--student.train.optimizer sgd --student.train.schedule stairs --student.train.epochs 1"
REHEARSED = (
    f"--distill.method th-kd --teacher.source train {SGD}",
    "--distill.method sh-kd --teacher.source train --distill.shaping.batch 16",
    "--distill.method gkd --teacher.source shipped --distill.margin.quality 0.4",
    "--distill.method rkd --teacher.source shipped --student.train.compile false",
)
# read only where the run is real: each with the function that a test calls in its own right
REAL = {
    "data.verification": "verification_sets",
    "data.licence": "_data_licence",
    "data.calibration_images": "calibrate_stage",
    "student.train.evaluate_every": "checks_of",
    "student.train.patience": "checks_of",
}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """By section: the fields that somebody asked it for while these were rehearsed."""
    found: dict[str, set[str]] = defaultdict(set)
    plain = Section.__getattribute__

    def noted(self: Section, name: str) -> object:
        if name in type(self).model_fields:
            found[type(self).__name__].add(name)
        return plain(self, name)

    with pytest.MonkeyPatch.context() as patch:
        for number, more in enumerate(REHEARSED):
            recipe = load_recipe(str(TINY), more.split())
            patch.setattr(Section, "__getattribute__", noted)
            folder = tmp_path_factory.mktemp("run") / str(number)
            preview_of(folder, recipe, update=False)
            patch.undo()
    return found


def keys(section: Section, path: str = "") -> Iterator[tuple[str, str, str]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from keys(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", type(section).__name__, name


KEYS = list(keys(Recipe(name="any")))
LEARNT = [one for one in KEYS if one[0].startswith(("data.", "teacher.", "student.", "distill."))]


def test_every_key_of_learning_is_read(read: dict[str, set[str]]) -> None:
    unread = [key for key, section, name in LEARNT if name not in read[section]]
    assert not {*unread} - REAL.keys(), "these change nothing"


def asked_for() -> dict[str, set[str]]:
    """Attributes that functions of the product ask for, by the function's name."""
    found: dict[str, set[str]] = defaultdict(set)
    root = Path(embedge.__file__).parent
    for path in root.rglob("*.py"):
        if path.name.startswith("recipe"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                found[node.name] |= {x.attr for x in ast.walk(node) if isinstance(x, ast.Attribute)}
    return found


def test_every_other_key_is_asked_for() -> None:
    asked = asked_for()
    everywhere = set[str]().union(*asked.values())
    assert not [
        key
        for key, _, name in KEYS
        if key not in dict.fromkeys(k for k, *_ in LEARNT) and name not in everywhere
    ]
    for key, function in REAL.items():
        assert key.rpartition(".")[2] in asked[function], key
