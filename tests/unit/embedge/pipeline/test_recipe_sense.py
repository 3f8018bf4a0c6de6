import json
from pathlib import Path

import pytest

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.recipe_sense import laid_over

SH_KD = ("--distill.method", "sh-kd")


def test_the_source_follows_from_the_file() -> None:
    """A teacher that was named and not used: the whole run would be of another."""
    for recipe in ("demo", "rendered"):
        loaded = load_recipe(recipe, ["--teacher.file", "t.onnx", "--data.source", "faces"])
        assert (loaded.teacher.source, loaded.teacher.file) == ("file", "t.onnx")


def test_it_follows_in_a_recipe_too(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("teacher: {file: /t.onnx, preprocessing: rgb-scaled}\n")
    assert load_recipe(str(file)).teacher.source == "file"
    # another source on the command line lets go of the file and what belongs to it
    switched = load_recipe(str(file), ["--teacher.source", "shipped"])
    assert (switched.teacher.source, switched.teacher.file) == ("shipped", None)
    other = load_recipe(str(file), ["--teacher.file", "x.safetensors"])
    assert other.teacher.preprocessing is None


def test_a_recipe_may_say_how_a_file_of_the_command_line_is_fed(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("teacher: {source: file, preprocessing: bgr-plain}\n")
    loaded = load_recipe(str(file), ["--teacher.file", "t.onnx"])
    assert (loaded.teacher.file, loaded.teacher.preprocessing) == ("t.onnx", "bgr-plain")


def test_a_switch_drops_what_belongs_to_the_other_side() -> None:
    loaded = load_recipe("rendered", ["--data.source", "faces", "--teacher.source", "shipped"])
    assert loaded.data.identities == 500  # the default again, and nobody reads it
    assert loaded.teacher.channels == (16, 32, 64, 96)


def test_dead_keys_of_a_recipe_are_named_all_at_once(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("data: {source: faces, per_identity: 3}\nteacher: {source: shipped, dim: 64}\n")
    with pytest.raises(EmbedgeError, match=r"(?s)teacher\.dim: .*data\.per_identity: .*r\.yaml"):
        load_recipe(str(file))


def test_a_section_over_a_value_is_refused() -> None:
    with pytest.raises(EmbedgeError, match=r"E-RECIPE-KEY: 'data\.seed' is a value"):
        laid_over({"data": {"seed": 1}}, {"data": {"seed": {"more": 1}}})


def test_epochs_of_the_command_line_let_go_of_a_recipes_steps(tmp_path: Path) -> None:
    by_epochs = load_recipe("demo", ["--student.train.epochs", "2"]).student.train
    assert (by_epochs.epochs, by_epochs.steps) == (2, 600)
    file = tmp_path / "r.yaml"
    file.write_text("student: {train: {epochs: 3}}\n")
    by_steps = load_recipe(str(file), ["--student.train.steps", "7"]).student.train
    assert (by_steps.epochs, by_steps.steps) == (None, 7)
    file.write_text("student: {train: {epochs: 3, steps: 7}}\n")
    with pytest.raises(EmbedgeError, match=r"student.train.steps: .*epochs says how long"):
        load_recipe(str(file))


def test_another_method_lets_go_of_what_the_recipes_own_read(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("distill: {method: th-kd, a: 0.5, temperature: 2, margin: {m2: 0.5}}\n")
    switched = load_recipe(str(file), ["--distill.method", "kd"]).distill
    assert (switched.a, switched.temperature) == (0.9, 2)
    average = load_recipe(str(file), ["--distill.margin.quality", "0.4"]).distill.margin
    assert (average.quality, average.m2) == (0.4, 0.0)
    demo = load_recipe("demo", ["--distill.baseline", "false"]).distill
    assert (demo.baseline, demo.baseline_part) == (False, 1.0)


def test_a_shipped_recipe_for_several_methods_serves_one() -> None:
    assert load_recipe("compare").distill.shaping.batch == 64  # the default: nobody reads it
    assert load_recipe("compare", list(SH_KD)).distill.shaping.batch == 32
    assert load_recipe("compare", methods=("th-kd", "sh-kd")).distill.shaping.batch == 32


def test_minutes_of_the_command_line_let_go_of_a_recipes_steps_between_checkpoints() -> None:
    train = load_recipe("demo", ["--student.train.checkpoint_minutes", "2"]).student.train
    assert (train.checkpoint_minutes, train.checkpoint_every) == (2, 0)


def test_the_teacher_is_shaped_for_as_many_pictures_as_the_student_sees() -> None:
    asked = [*SH_KD, "--student.train.steps", "100", "--student.train.batch", "32"]
    recipe = load_recipe("rendered", [*asked, "--distill.shaping.batch", "64"])
    assert (recipe.shaping.steps, recipe.shaping.batch) == (50, 64)
    part = ["--student.train.epochs", "3", "--distill.shaping_part", "0.5"]
    half = load_recipe("rendered", [*SH_KD, *part])
    assert half.shaping.epochs == 1.5
    longer = load_recipe("rendered", [*asked, "--distill.first_part", "2"])
    assert longer.of_first().student.train.steps == 200


def test_steps_of_the_shaping_are_no_share_of_the_students(tmp_path: Path) -> None:
    named = load_recipe("rendered", [*SH_KD, "--distill.shaping.steps", "7"])
    assert (named.distill.shaping_part, named.shaping.steps) == (None, 7)
    file = tmp_path / "again.yaml"
    for recipe in (named, load_recipe("rendered", list(SH_KD)), load_recipe("rendered")):
        file.write_text(json.dumps(recipe.to_json()))
        assert load_recipe(str(file)).shaping == recipe.shaping


def test_a_scale_is_of_mobilefacenet() -> None:
    with pytest.raises(EmbedgeError, match=r"student\.scale.*not of repface"):
        load_recipe("rendered", ["--student.architecture", "repface", "--student.scale", "2"])
    assert load_recipe("rendered", ["--student.architecture", "repface"]).student.scale == 1
