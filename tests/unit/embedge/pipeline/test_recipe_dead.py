"""A key that is given and that nothing would read is named, with the reason."""

from pathlib import Path

import pytest

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe_file import load_recipe

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


def test_what_one_of_several_methods_reads_is_alive(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("distill: {shape: map, tau: 0.5}\n")
    several = load_recipe(str(file), methods=("th-kd", "gkd", "sh-kd")).distill
    assert (several.shape, several.tau) == ("map", 0.5)
    with pytest.raises(EmbedgeError, match=r"distill\.tau: it is of gkd, and distill\.method is"):
        load_recipe(str(file), methods=("th-kd", "sh-kd"))
