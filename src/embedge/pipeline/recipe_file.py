"""Reading a recipe: YAML, overrides, and an answer to every mistake before anything runs."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_sense import consistent, laid_over
from embedge.runtime.bundle.writer import require_name
from embedge.strict.yaml_text import yaml_value

__all__ = ["load_recipe", "recipe_names", "require_recipe_keys"]

_PATHS = {"data": ("source", "extra", "verification"), "teacher": ("file", "head_shards")}
_NO_PATHS = ("rendered:", "insightface:")

RECIPES = Path(__file__).parents[1] / "train" / "recipes"


def recipe_names() -> list[str]:
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load_recipe(
    name_or_path: str,
    overrides: list[str] | None = None,
    *,
    planned: bool = False,
    methods: Sequence[str] = (),
) -> Recipe:
    """Read a recipe by name or path and apply `--section.key value` pairs.

    A recipe may name keys that only its user knows (`needs`); a plan can do without them. It is for
    the method that it names, unless `methods` are to be compared by it.
    """
    path = _recipe_path(name_or_path)
    base = _placed(_yaml(path.read_bytes(), str(path)), path.parent)
    needs = base.pop("needs", None) or {}
    base.setdefault("name", path.stem)
    given: dict[str, Any] = {}
    for key, value in _pairs(overrides or []):
        _put(given, key, value)
    values = laid_over(base, given, methods, shipped=path.parent == RECIPES)
    if not planned:
        _require(needs, values, str(path))
    elif "data.source" in needs and not _at(values, "data.source"):
        values = {**values, "data": {**values["data"], "source": "yours"}}
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise _readable(error, str(path)) from error
    require_name(recipe.name, str(path))
    consistent(values, str(path), Recipe(name=recipe.name).to_json(), methods)
    return recipe


def require_recipe_keys(arguments: list[str]) -> None:
    """Refuse what is no option, whether or not there is a recipe to change."""
    _pairs(arguments)


def _require(needs: dict[str, str], values: dict[str, Any], where: str) -> None:
    """All that is missing, at once."""
    missing = [key for key in needs if not _at(values, key)]
    if missing:
        raise EmbedgeError(
            "E-RECIPE-KEY",
            "this recipe needs "
            + " and ".join(f"{key} ({needs[key]})" for key in missing)
            + ", which nobody gave",
            where=where,
            remedy="Add " + " ".join(f"--{key} PATH" for key in missing),
        )


def _at(values: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _recipe_path(name_or_path: str) -> Path:
    shipped = RECIPES / f"{name_or_path}.yaml"
    if shipped.is_file():
        return shipped
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise EmbedgeError(
        "E-RECIPE-MISSING",
        f"there is no recipe '{name_or_path}'",
        remedy=f"Give a YAML file, or one of: {', '.join(recipe_names())}",
    )


def _placed(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths of a recipe begin where it lies; those of the command line where one stands."""

    def place(value: Any) -> Any:
        if isinstance(value, list):
            return [place(one) for one in value]
        if not isinstance(value, str) or value == "rendered" or value.startswith(_NO_PATHS):
            return value
        return ":".join(str(folder / part) for part in value.split(":"))

    placed = dict(values)
    for section, keys in _PATHS.items():
        inside = values.get(section)
        if isinstance(inside, dict):
            found = {key: place(inside[key]) for key in keys if inside.get(key)}
            placed[section] = {**inside, **found}
    return placed


def _yaml(data: bytes, where: str) -> dict[str, Any]:
    try:
        values = yaml_value(data.decode())
    except ValueError as error:
        raise _not_yaml(str(error), where, "Fix the YAML syntax on that line") from error
    if not isinstance(values, dict):
        empty = "the file is empty" if values is None else "a recipe is a mapping of sections"
        raise EmbedgeError(
            "E-RECIPE-YAML",
            empty,
            where=where,
            remedy="Start from a shipped one: " + ", ".join(recipe_names()),
        )
    return values


def _not_yaml(what: str, where: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-RECIPE-YAML", f"not valid YAML: {what}", where=where, remedy=remedy)


def _argument(head: str, text: str) -> Any:
    try:
        return yaml_value(text)
    except ValueError as error:
        remedy = f"Write {head} VALUE as in a recipe, in quotes for the shell"
        raise _not_yaml(str(error), head, remedy) from error


def _pairs(arguments: list[str]) -> list[tuple[str, Any]]:
    """`--a.b 1 --c.d=2` as pairs; values are read as YAML."""
    pairs, rest = [], list(arguments)
    while rest:
        head = rest.pop(0)
        key, equals, value = head.removeprefix("--").partition("=")
        if not head.startswith("--") or ("." not in key and key not in Recipe.model_fields):
            options = ["demo", "recipe", "out", "method", "no-baseline", "quiet", "update", "debug"]
            options += ["dry-run", "allow-download", "teacher", "show-recipe"]
            raise EmbedgeError(
                "E-OPTION",
                f"unknown option '{head}'{_did_you_mean(key, options)}",
                remedy="See --help; recipe keys are written --section.key value",
            )
        if not equals:
            if not rest:
                raise EmbedgeError(
                    "E-OPTION", f"'{head}' has no value", remedy=f"Write {head} VALUE"
                )
            value = rest.pop(0)
        pairs.append((key, _argument(head, value)))
    return pairs


def _put(values: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise EmbedgeError(
                "E-RECIPE-KEY",
                f"'{section}' in --{dotted} is a value, not a section",
                remedy=f"Write --{section} VALUE",
            )
    values[last] = value


def _readable(error: ValidationError, where: str) -> EmbedgeError:
    """All mistakes at once, one line each."""
    lines = [_mistake(item) for item in error.errors()]
    return EmbedgeError(
        "E-RECIPE-KEY",
        "the recipe has mistakes:\n  " + "\n  ".join(lines) + "\n",
        where=where,
        remedy="Look the keys up in docs/reference/recipe.md",
    )


def _mistake(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    name = ".".join(path)
    if item["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        return f"{name}: unknown key{_did_you_mean(path[-1], known)}"
    return f"{name}: {item['msg'].lower()} (got {item['input']!r})"


def _known_keys(path: list[str]) -> list[str]:
    section: Any = Recipe
    for part in path:
        section = section.model_fields[part].annotation
    return list(section.model_fields)


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f", did you mean '{close[0]}'?" if close else f" (known: {', '.join(known)})"
