"""No key of the recipe says something that nobody hears.

What the training stages read is seen while trainings of every kind are rehearsed; of the other
sections, that the product asks for the key at all. Keys that a recipe's other keys kill are refused
(test_recipe_dead.py).
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
QUICK = "--data.identities 4 --data.per_identity 4 --student.train.batch 4"
REHEARSED = (
    f"{QUICK} --distill.method sh-kd --distill.shaping.batch 4 --teacher.train.batch 4"
    " --teacher.train.optimizer sgd"
    " --teacher.train.schedule stairs --teacher.train.epochs 1 --teacher.train.checkpoint_every 0",
    f"{QUICK} --distill.method gkd --teacher.source shipped --distill.margin.quality 0.4",
    f"{QUICK} --distill.method rkd --teacher.source shipped",
)
# what these rehearsals have no use for, and the function that reads it
ELSEWHERE = {
    "data.alike": "_grouped",
    "data.licence": "_data_licence",
    "teacher.file": "_teacher_from_file",
    "teacher.head_shards": "_teacher_from_file",
    "teacher.preprocessing": "_teacher_from_file",
    "teacher.probe_steps": "_recovered",
    "student.train.patience": "checks_of",
    "student.train.checkpoint_minutes": "_is_due",
}
# one class serves three sections; of the others these two are refused
SCHEDULES = ("teacher.train.", "student.train.", "distill.shaping.")
REFUSED = {f"{at}{name}" for at in SCHEDULES for name in ("evaluate_every", "patience")}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """By section: the fields that somebody asked one of them for while these were rehearsed."""
    found: dict[str, set[str]] = defaultdict(set)
    plain = Section.__getattribute__

    def noted(self: Section, name: str) -> object:
        for kind in type(self).__mro__:  # a student's schedule is read as any other
            if issubclass(kind, Section) and name in kind.model_fields:
                found[kind.__name__].add(name)
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
    read["StudentSchedule"] |= read["Schedule"]  # it is one
    unread = {key for key, section, name in LEARNT if name not in read[section]}
    others = {f"{at}checkpoint_minutes" for at in SCHEDULES} | REFUSED
    assert unread - others == ELSEWHERE.keys() - others, "change nothing, or are read after all"


def asked_for() -> dict[str, set[str]]:
    """Attributes that functions of the product ask for, by the function's name."""
    found: dict[str, set[str]] = defaultdict(set)
    rooms = [room.resolve() for room in Path(embedge.__file__).parent.iterdir() if room.is_dir()]
    for path in (file for room in rooms for file in room.rglob("*.py")):
        if path.name.startswith("recipe"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                found[node.name] |= {x.attr for x in ast.walk(node) if isinstance(x, ast.Attribute)}
    return found


def test_every_other_key_is_asked_for() -> None:
    asked, learnt = asked_for(), {key for key, *_ in LEARNT}
    everywhere = set[str]().union(*asked.values())
    assert not [key for key, _, name in KEYS if key not in learnt and name not in everywhere]
    for key, function in ELSEWHERE.items():
        assert key.rpartition(".")[2] in asked[function], key
