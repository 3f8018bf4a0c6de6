"""Predict what a recipe would take on GPUs, or the memory and step time of a classifier alone.

    embedge plan ms1mv3-th-kd --gpus 8 --gpu h200

tells teacher pass, loading, steps, evaluation, memory and disk from a table of rates. Without a
recipe the head alone is planned; with --device this (the default) a few seconds of measuring come
first. Exit code 3 says that it does not fit.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.numbers import AMOUNT, COUNT, whole
from embedge.errors import EmbedgeError
from embedge.files import write_json

if TYPE_CHECKING:
    from embedge.pipeline.recipe import Recipe
    from embedge.train.head.cost import HeadCost
    from embedge.train.head.machine import HeadMachine

_DEVICES = ("this", "h100", "h200", "a100-80", "a100-40", "l4")
WRITES = ("json", "save_machine")  # options that name outputs
TAKES_OVERRIDES = True
_MS1MV3 = (5_179_510, 93_431)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", nargs="?", help="a recipe's name or file; keys of it may follow")
    parser.add_argument(
        "--gpu", choices=_DEVICES[1:], default="h200", help="of a recipe: which GPU"
    )
    parser.add_argument(
        "--cores", type=COUNT, default=96, help="of a recipe: processor cores of the machine"
    )
    parser.add_argument(
        "--pictures", type=whole(1, 10**10), help="of a recipe's data set (default: MS1MV3's)"
    )
    parser.add_argument("--people", type=whole(1, 10**7), help="likewise")
    parser.add_argument("--classes", type=COUNT, help="identities in the head, without a recipe")
    parser.add_argument("--batch", type=COUNT, help="samples per rank and step, without a recipe")
    parser.add_argument("--gpus", type=COUNT, default=1, help="ranks, each with the whole head")
    parser.add_argument("--dim", type=COUNT, default=512, help="dimension of the embeddings")
    parser.add_argument(
        "--dtype", choices=("fp32", "fp16", "bf16"), default="fp32", help="of a frozen head"
    )
    parser.add_argument(
        "--device", choices=_DEVICES, default="this", help="measure here, or take published peaks"
    )
    parser.add_argument("--machine", type=Path, help="a machine saved earlier instead of --device")
    parser.add_argument("--save-machine", type=Path, help="keep what was measured in this file")
    parser.add_argument(
        "--reserve-gib",
        type=AMOUNT,
        default=0.0,
        help="memory that the backbone and its activations need on each rank",
    )
    parser.add_argument("--json", type=Path, help="write the plan to this file too")


def run(options: argparse.Namespace) -> int:
    if options.recipe is not None:
        return _whole_recipe(options)
    from embedge.train.head.cost import head_cost

    _check(options)
    machine = _machine(options)
    block = _block_rows(options)
    costs = [
        head_cost(
            machine,
            layout,
            classes=options.classes,
            batch=options.batch,
            ranks=options.gpus,
            dim=options.dim,
            dtype=options.dtype,
            block_rows=block,
        )
        for layout in ("frozen", "trainable", "naive")
    ]
    free = machine.memory - int(options.reserve_gib * 2**30)
    print(_text(options, machine, costs, free))
    if options.json:
        write_json(options.json, _as_json(options, machine, costs, free))
    return 0 if costs[0].total <= free else 3


def _whole_recipe(options: argparse.Namespace) -> int:
    from embedge.pipeline.budget.predicting import Amount, Fleet, budget_of
    from embedge.pipeline.budget.rates import GPUS
    from embedge.pipeline.budget.telling import budget_json, budget_text
    from embedge.pipeline.recipe_file import load_recipe

    for name in ("classes", "batch"):
        if getattr(options, name) is not None:
            raise EmbedgeError(
                "E-OPTION",
                f"--{name} is of a head without a recipe",
                remedy="Leave it out; --people and --student.train.batch change a recipe's",
            )
    recipe = load_recipe(options.recipe, options.overrides, planned=True)
    fleet = Fleet(GPUS[options.gpu], options.gpus, options.cores)
    for where, schedule in recipe.trained().items():
        schedule.require_shares(options.gpus, where)
    faces = Amount(*_faces(options, recipe))
    budget = budget_of(recipe, fleet, faces)
    print(budget_text(budget, recipe, fleet, faces))

    def without(pair: list[str]) -> object:
        given = [word for other in pairs if other is not pair for word in other]
        try:
            other = load_recipe(options.recipe, given, planned=True)
            return budget_of(other, fleet, Amount(*_faces(options, other)))
        except EmbedgeError:  # the others say nothing without it
            return None

    pairs = _pairs(options.overrides)
    if dead := [pair[0].partition("=")[0] for pair in pairs if without(pair) == budget]:
        print(f"changes nothing of this plan: {', '.join(dead)}")
    if options.json:
        write_json(options.json, budget_json(budget, recipe, fleet, faces))
    return 0 if budget.total_memory <= fleet.gpu.memory else 3


def _pairs(words: list[str]) -> list[list[str]]:
    """Each key with its value: in one word or two."""
    pairs, rest = list[list[str]](), list(words)
    while rest:
        pairs.append(rest[: 1 if "=" in rest[0] else 2])
        rest = rest[len(pairs[-1]) :]
    return pairs


def _faces(options: argparse.Namespace, recipe: "Recipe") -> tuple[int, int]:
    """Pictures and classes: the recipe's own, those that were given, or MS1MV3's."""
    data, nameless = recipe.data, recipe.data.labels == "none"
    rendered = data.source == "rendered"
    if (rendered and options.pictures) or ((rendered or nameless) and options.people):
        why = "renders its own" if rendered else "makes a class of every picture"
        raise EmbedgeError(
            "E-OPTION",
            f"--pictures and --people are of people who have names, and this recipe {why}",
            remedy="Leave them out, or give --data.source" if rendered else "Leave --people out",
        )
    pictures = options.pictures or _MS1MV3[0]
    people = options.people or _MS1MV3[1]
    if rendered:
        pictures, people = data.identities * data.per_identity, data.identities
    people = pictures if nameless else people
    if people > pictures:
        raise EmbedgeError(
            "E-OPTION",
            f"{people:,} people have no {pictures:,} pictures",
            remedy="Give --people and --pictures of the same data set",
        )
    return pictures, people


def _check(options: argparse.Namespace) -> None:
    if options.overrides:
        raise EmbedgeError(
            "E-OPTION",
            f"unknown option '{options.overrides[0]}'",
            remedy="See --help; keys of a recipe follow a recipe",
        )
    if options.classes is None or options.batch is None:
        raise EmbedgeError(
            "E-OPTION",
            "neither a recipe nor the size of a head was given",
            remedy="Give a recipe, or --classes and --batch",
        )


def _machine(options: argparse.Namespace) -> "HeadMachine":
    from embedge.train.head.machine import PUBLISHED, HeadMachine, measure_machine

    if options.machine:
        return HeadMachine.from_json(_read(options.machine), options.machine)
    if options.device != "this":
        return PUBLISHED[options.device]
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    machine = measure_machine(options.batch, options.dim, device)
    if options.save_machine:
        write_json(options.save_machine, machine.to_json())
    return machine


def _read(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_text())
        if isinstance(value, dict):
            return value
    except (OSError, ValueError) as error:
        raise EmbedgeError(
            "E-PLAN-MACHINE",
            f"the machine cannot be read: {error}",
            where=path,
            remedy="Write the file with `embedge plan --save-machine FILE` on that machine",
        ) from error
    return {}


def _block_rows(options: argparse.Namespace) -> int:
    from embedge.train.head.streamed.blocks import default_rows

    on_gpu = options.device != "this" and not options.machine
    return default_rows(options.batch, on_gpu=on_gpu)


def _text(
    options: argparse.Namespace, machine: "HeadMachine", costs: list["HeadCost"], free: int
) -> str:
    from embedge.pipeline.budget.telling import memory_text

    kinds = {
        "frozen": f"frozen, {options.dtype} (shared teacher head)",
        "trainable": "trainable, fp32 with momentum",
        "naive": "trainable, fp32, logits in memory",
    }
    lines = [
        f"{options.classes:,} classes × {options.dim}, batch {options.batch:,} per rank, "
        f"{options.gpus} rank{'s' if options.gpus > 1 else ''}",
        f"machine: {machine.name} ({machine.source})",
        "",
        f"{'head, per rank':<38}{'weights':>10}{'learning':>10}{'working':>10}{'total':>10}"
        f"{'step':>10}  fits {free / 2**30:.1f} GiB",
    ]
    for cost in costs:
        sizes = (cost.weights, cost.gradients + cost.momentum, cost.working, cost.total)
        step = "—" if cost.seconds is None else f"{cost.seconds * 1e3:.1f} ms"
        lines.append(
            f"{kinds[cost.layout]:<38}"
            + "".join(f"{memory_text(size):>10}" for size in sizes)
            + f"{step:>10}  {'yes' if cost.total <= free else 'NO'}"
        )
    return "\n".join([*lines, "", "The step is the head's forward and backward, no backbone."])


def _as_json(
    options: argparse.Namespace, machine: "HeadMachine", costs: list["HeadCost"], free: int
) -> dict[str, object]:
    names = ("classes", "batch", "gpus", "dim", "dtype")
    parts = ("weights", "gradients", "momentum", "working", "total", "seconds")
    return {
        "configuration": {name: getattr(options, name) for name in names},
        "machine": {"name": machine.name, "source": machine.source, "memory": machine.memory},
        "plans": {
            cost.layout: {
                **{name: getattr(cost, name) for name in parts},
                "fits": cost.total <= free,
            }
            for cost in costs
        },
    }
