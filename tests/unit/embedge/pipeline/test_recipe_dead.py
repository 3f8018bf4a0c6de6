"""A key that is given and that nothing would read is named, with the reason."""

from pathlib import Path

import pytest

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe_file import load_recipe

SGD = ("--student.train.optimizer", "sgd", "--student.train.momentum", "0")
STAIRS = ("--student.train.schedule", "stairs", "--student.train.stairs")
SH_KD = ("--distill.method", "sh-kd")


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["--teacher.file", "t.onnx", "--teacher.source", "train"], "teacher.file"),
        (["--teacher.file", "t.onnx", "--teacher.source", "shipped"], "teacher.file"),
        (["--teacher.depth", "34"], "teacher.depth"),
        (["--teacher.file", "t.onnx", "--teacher.train.steps", "7"], "teacher.train"),
        (["--teacher.preprocessing", "rgb-plain"], "teacher.preprocessing"),
        (
            ["--teacher.file", "t.pt", "--teacher.preprocessing", "rgb-plain"],
            "teacher.preprocessing",
        ),
        (["--teacher.file", "t.onnx", "--teacher.head_shards", "[a.pt]"], "teacher.head_shards"),
        (["--data.source", "faces", "--data.identities", "7"], "data.identities"),
        (["--data.extra", "[more]"], "data.extra"),
        (["--student.dims", "pca"], "student.dims"),
        (["--int8.qat.lr", "0.1"], "int8.qat.lr"),
        (["--student.train.epochs", "2", "--student.train.steps", "7"], "student.train.steps"),
        (["--student.train.momentum", "0.5"], "student.train.momentum"),
        (["--student.train.stairs", "[0.5]"], "student.train.stairs"),
        (["--student.train.patience", "3"], "student.train.patience"),
        (["--distill.shaping.evaluate_every", "5", *SH_KD], "distill.shaping.evaluate_every"),
        (["--distill.shaping.steps", "5"], "distill.shaping"),
        (["--distill.shape", "map"], "distill.shape"),
        (["--distill.tau", "0.5"], "distill.tau"),
        (["--distill.a", "0.5", "--distill.method", "proxyless"], "distill.a"),
        (["--distill.adapt_from", "0.5", "--distill.method", "l2e"], "distill.adapt_from"),
        (
            ["--distill.baseline_part", "0.5", "--distill.baseline", "false"],
            "distill.baseline_part",
        ),
        (["--distill.margin.quality", "0.4", "--distill.margin.m2", "0.5"], "distill.margin.m2"),
        ([*SGD, "--student.train.nesterov", "true"], "student.train.nesterov"),
        (
            ["--student.train.amp", "fp32", "--student.train.fp32_tail", "1"],
            "student.train.fp32_tail",
        ),
        (["--student.train.warmup", "600", "--student.train.steps", "600"], "student.train.warmup"),
        (["--student.train.steps", "8", "--student.train.warmup", "8"], "student.train.warmup"),
        (
            ["--student.train.steps", "8", "--student.train.evaluate_every", "9"],
            "student.train.evaluate_every",
        ),
        (
            ["--distill.shaping.steps", "8", "--distill.shaping.warmup", "9", *SH_KD],
            "distill.shaping.warmup",
        ),
        ([*STAIRS, "[]"], "student.train.stairs"),
        ([*STAIRS, "[0.9, 0.1]"], "student.train.stairs"),
        ([*STAIRS, "[0.5, 0.5]"], "student.train.stairs"),
        (["--data.alike", "0.9"], "data.alike"),
        (["--int8.budget", "0.1", "--export.precisions", "[fp32, fp16]"], "int8.budget"),
        (
            [*(f"--student.train.checkpoint_{name}" for name in ("every=3", "minutes=2"))],
            "student.train.checkpoint_minutes",
        ),
    ],
)
def test_a_dead_key_is_named(arguments: list[str], key: str) -> None:
    with pytest.raises(EmbedgeError) as caught:
        load_recipe("demo", arguments)
    assert caught.value.code == "E-RECIPE-KEY"
    assert f"\n  {key}: " in caught.value.what


@pytest.mark.parametrize(
    "arguments",
    [
        ["--student.train.optimizer", "sgd", "--student.train.nesterov", "true"],
        ["--student.train.steps", "8", "--student.train.evaluate_every", "8"],
        ["--student.train.steps", "8", "--student.train.warmup", "7"],
        [*STAIRS, "[0.1, 0.9]"],
        ["--student.train.amp", "auto", "--student.train.fp32_tail", "true"],
        ["--distill.margin.m2", "3.1"],
    ],
)
def test_what_is_just_alive_is_taken(arguments: list[str]) -> None:
    load_recipe("demo", arguments)


def test_a_margin_of_half_a_turn_is_refused() -> None:
    with pytest.raises(EmbedgeError, match=r"distill\.margin\.m2: .*less than 3\.14"):
        load_recipe("demo", ["--distill.margin.m2", "4"])


def test_what_one_of_several_methods_reads_is_alive(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("distill: {shape: map, tau: 0.5}\n")
    several = load_recipe(str(file), methods=("th-kd", "gkd", "sh-kd")).distill
    assert (several.shape, several.tau) == ("map", 0.5)
    with pytest.raises(EmbedgeError, match=r"distill\.tau: it is of gkd, and distill\.method is"):
        load_recipe(str(file), methods=("th-kd", "sh-kd"))
