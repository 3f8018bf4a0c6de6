"""The recipe: everything a run depends on, checked before anything runs."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embedge.errors import EmbedgeError

__all__ = ["Recipe", "load_recipe", "recipe_names"]

RECIPES = Path(__file__).parent / "train" / "recipes"

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class Data(Section):
    """Rendered faces: `identities` to learn from, `held_out` others to be judged on."""

    source: Literal["rendered"] = "rendered"
    seed: int = 0
    identities: Positive = 500
    per_identity: Positive = 30
    held_out: Positive = 120
    held_out_per_identity: Positive = 10
    calibration_images: Positive = 256
    flip: bool = False


class Margin(Section):
    """ψ(θ) = cos(m1·θ + m2) − m3, times the scale."""

    m1: Annotated[float, Field(gt=0)] = 1.0
    m2: Annotated[float, Field(ge=0)] = 0.0
    m3: Annotated[float, Field(ge=0)] = 0.0
    scale: Annotated[float, Field(gt=0)] = 64.0
    straight_through: bool = False


class Schedule(Section):
    """How a network is trained."""

    steps: Positive = 600
    batch: Annotated[int, Field(ge=2)] = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 5e-2
    warmup: Annotated[int, Field(ge=0)] = 50
    clip: Annotated[float, Field(gt=0)] = 5.0
    amp: Literal["off", "bf16"] = "bf16"
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    checkpoint_every: Positive = 50


class Teacher(Section):
    """`shipped`: the small teacher in the package; `train`: an IResNet, trained by this run."""

    source: Literal["shipped", "train"] = "train"
    depth: Literal[18, 34, 50, 100, 200] = 18
    channels: tuple[Positive, Positive, Positive, Positive] = (16, 32, 64, 96)
    dim: Positive = 256
    margin: Margin = Margin(m2=0.3, scale=32.0)
    train: Schedule = Schedule(steps=3000)


class Student(Section):
    scale: Literal[1, 2, 4] = 1
    width: Annotated[float, Field(gt=0, le=1)] = 1.0
    activation: Literal["prelu", "relu", "relu6"] = "prelu"
    train: Schedule = Schedule()


class Distill(Section):
    """L = (1−a)·CE(own) + a·CE(shared) + α·H' + β·D, as in "It's All in the Head"."""

    method: Literal["scratch", "proxyless", "th-kd"] = "th-kd"
    a: Share = 0.5
    alpha: Annotated[float, Field(ge=0)] = 1.0
    beta: Annotated[float, Field(ge=0)] = 1.0
    temperature: Annotated[float, Field(gt=0)] = 1.0
    margin: Margin = Margin(m2=0.3, scale=32.0)
    baseline: bool = True


class Export(Section):
    opset: Annotated[int, Field(ge=13, le=22)] = 17
    precisions: tuple[Literal["fp32", "fp16", "int8-cpu", "int8-trt"], ...] = (
        "fp32",
        "fp16",
        "int8-cpu",
        "int8-trt",
    )


class Gates(Section):
    """The command fails (exit 3) when one of these does not hold."""

    cosine_p1: dict[str, float] = {"fp32": 0.9999, "fp16": 0.999, "int8-cpu": 0.9}
    tar_loss: Share = 0.01
    cross_space_tar: Share = 0.0


class Evaluate(Section):
    fmrs: tuple[Share, ...] = (1e-2, 1e-3, 1e-4)
    threshold_fmr: Share = 1e-2
    gate_fmr: Share = 1e-3
    gates: Gates = Gates()
    pictures: bool = True  # show the worst pairs in the report


class Bench(Section):
    seconds: Annotated[float, Field(gt=0)] = 30.0


class Recipe(Section):
    name: str
    seed: int = 0
    data: Data = Data()
    teacher: Teacher = Teacher()
    student: Student = Student()
    distill: Distill = Distill()
    export: Export = Export()
    evaluate: Evaluate = Evaluate()
    bench: Bench = Bench()

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def recipe_names() -> list[str]:
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load_recipe(name_or_path: str, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe by name or path and apply `--section.key value` pairs."""
    path = _recipe_path(name_or_path)
    values = _yaml(path.read_text(), str(path))
    values.setdefault("name", path.stem)
    for key, value in _pairs(overrides or []):
        _put(values, key, value)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise _readable(error, str(path)) from error


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


def _yaml(text: str, where: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise EmbedgeError(
            "E-RECIPE-YAML", f"not valid YAML: {problem}", where=where, remedy="Mend that line"
        ) from error
    if not isinstance(values, dict):
        raise EmbedgeError(
            "E-RECIPE-YAML",
            "a recipe is a mapping of sections",
            where=where,
            remedy="Start from a shipped one: " + ", ".join(recipe_names()),
        )
    return values


def _pairs(arguments: list[str]) -> list[tuple[str, Any]]:
    """`--a.b 1 --c.d=2` as pairs; values are read as YAML."""
    pairs, rest = [], list(arguments)
    while rest:
        head = rest.pop(0)
        key, equals, value = head.removeprefix("--").partition("=")
        if not head.startswith("--") or ("." not in key and key not in Recipe.model_fields):
            options = ["demo", "recipe", "out", "method", "no-baseline", "quiet", "update", "debug"]
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
        pairs.append((key, yaml.safe_load(value)))
    return pairs


def _put(values: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise EmbedgeError(
                "E-RECIPE-KEY",
                f"'{section}' in --{dotted} is a value, not a section",
                remedy="Leave out what follows it",
            )
    values[last] = value


def _readable(error: ValidationError, where: str) -> EmbedgeError:
    """All mistakes at once, one line each."""
    lines = [_mistake(item) for item in error.errors()]
    return EmbedgeError(
        "E-RECIPE-KEY",
        "the recipe has mistakes:\n  " + "\n  ".join(lines) + "\n",
        where=where,
        remedy="docs/reference/recipe.md lists every key",
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
