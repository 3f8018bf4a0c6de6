from pathlib import Path

import pytest

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import reference_page
from embedge.pipeline.recipe_file import load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_valid(name: str) -> None:
    assert load_recipe(name, planned=True).name == name


def test_what_a_recipe_needs_is_asked_for_at_once() -> None:
    with pytest.raises(EmbedgeError, match=r"E-RECIPE-KEY.*data.source.*teacher.file"):
        load_recipe("ms1mv3-th-kd")
    given = ["--data.source", "faces", "--teacher.file", "t.pth"]
    assert load_recipe("ms1mv3-th-kd", given).data.source == "faces"


def test_overrides_are_typed() -> None:
    recipe = load_recipe("demo", ["--student.train.steps", "7", "--distill.a=0.25"])
    assert recipe.student.train.steps == 7
    assert recipe.distill.a == 0.25
    assert recipe.student.width == 0.5  # the rest of the section stays


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--student.trian.steps", "7"], r"student\.trian: unknown key, did you mean 'train'\?"),
        (["--distil.a", "1"], r"distil: unknown key, did you mean 'distill'\?"),
        (["--distill.a", "two"], r"distill\.a: .*valid number.*got 'two'"),
        (["--student.train.steps", "0"], r"student\.train\.steps: .*greater than 0.*got 0"),
        (["--otu", "x"], r"E-OPTION: unknown option '--otu', did you mean 'out'\?"),
        (["--distill.a"], r"E-OPTION: '--distill.a' has no value"),
        (["--seed", "1", "--seed.more", "1"], r"E-RECIPE-KEY: 'seed' in --seed.more is a value"),
    ],
)
def test_a_mistake_is_answered(arguments: list[str], message: str) -> None:
    with pytest.raises(EmbedgeError, match=message):
        load_recipe("demo", arguments)


def test_all_mistakes_at_once() -> None:
    with pytest.raises(EmbedgeError) as caught:
        load_recipe("demo", ["--distill.b", "1", "--student.with", "1"])
    assert "distill.b" in str(caught.value)
    assert "student.with: unknown key, did you mean 'width'?" in str(caught.value)


def test_missing_recipe_names_those_there_are() -> None:
    with pytest.raises(EmbedgeError, match=r"E-RECIPE-MISSING.*demo"):
        load_recipe("dmeo")


def test_broken_yaml(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("data: [1, 2")
    with pytest.raises(EmbedgeError, match=r"E-RECIPE-YAML"):
        load_recipe(str(file))
    file.write_text("- a list")
    with pytest.raises(EmbedgeError, match=r"a recipe is a mapping"):
        load_recipe(str(file))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"seed: 1\nseed: 2", "the key 'seed' occurs twice, again in line 2"),
        (b"student: {scale: 1, scale: 2}", "the key 'scale' occurs twice"),
        (b"name: 2024-99-99", "month must be in 1..12"),
        (b"[" * 5000, "nested too deeply"),
        (b"\xff\xfe\x00", "decode"),
    ],
)
def test_what_yaml_would_let_pass_or_stumble_over(
    tmp_path: Path, data: bytes, complaint: str
) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(data)
    with pytest.raises(EmbedgeError, match=f"E-RECIPE-YAML.*{complaint}"):
        load_recipe(str(file))


def test_an_argument_that_is_no_yaml() -> None:
    with pytest.raises(EmbedgeError, match=r"E-RECIPE-YAML.*--bench.seconds"):
        load_recipe("rendered", ["--bench.seconds", "[:"])


@pytest.mark.parametrize("key", ["--seed", "--data.seed"])
@pytest.mark.parametrize("seed", ["-1", str(2**80)])
def test_a_seed_that_no_generator_takes(key: str, seed: str) -> None:
    with pytest.raises(EmbedgeError, match="E-RECIPE-KEY"):
        load_recipe("rendered", [key, seed])


def test_the_reference_page_is_up_to_date() -> None:
    page = Path(__file__).parents[4] / "docs" / "reference" / "recipe.md"
    assert page.read_text() == reference_page()
    assert "|  |" not in reference_page()  # every key is explained


def test_paths_of_a_recipe_begin_where_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "mine" / "r.yaml"
    file.parent.mkdir()
    file.write_text(
        "data: {source: faces, verification: ['pairs.txt:faces', /abs/lfw.bin]}\n"
        "teacher: {file: t.onnx}\n"
    )
    here = tmp_path / "mine"
    recipe = load_recipe(str(file))
    assert recipe.data.source == str(here / "faces")
    assert recipe.data.verification == (f"{here}/pairs.txt:{here}/faces", "/abs/lfw.bin")
    assert recipe.teacher.file == str(here / "t.onnx")
    assert load_recipe(str(file), ["--data.source", "other"]).data.source == "other"
    file.write_text("data: {source: 'rendered:5x5'}\nteacher: {file: 'insightface:buffalo_s'}\n")
    recipe = load_recipe(str(file))
    assert (recipe.data.source, recipe.teacher.file) == ("rendered:5x5", "insightface:buffalo_s")
    for source, found in (("rendered", "rendered"), ("rendered-people", f"{here}/rendered-people")):
        file.write_text(f"data: {{source: {source}}}\n")
        assert load_recipe(str(file)).data.source == found


def test_an_empty_recipe_is_no_recipe(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("# nothing yet\n")
    with pytest.raises(EmbedgeError, match="E-RECIPE-YAML: the file is empty"):
        load_recipe(str(file))


@pytest.mark.parametrize("name", ["../../esc", "my recipe", '"\\0"', '""', "a/b"])
def test_a_name_that_cannot_name_a_bundle_is_told_by_the_recipe(tmp_path: Path, name: str) -> None:
    with pytest.raises(EmbedgeError, match=r"E-BUNDLE-NAME.*--name"):
        load_recipe("demo", ["--name", name])
    path = tmp_path / "my recipe.yaml"
    path.write_text("seed: 1\n")
    with pytest.raises(EmbedgeError, match=r"E-BUNDLE-NAME: 'my recipe'.*my recipe\.yaml"):
        load_recipe(str(path))
    assert load_recipe(str(path), ["--name", "mine"]).name == "mine"


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("student.train.epochs", "1e308 1e-320"),
        ("data.identities", "99999999999999999999 100000000"),
        ("student.train.workers", "5000"),
        ("student.train.steps", "99999999999999999999"),
        ("student.train.lr", "1e30 1e-320"),
        ("student.train.clip", "1e-320"),
        ("distill.temperature", "1e-320 1e300"),
        ("distill.beta", "1e30"),
        ("distill.margin.scale", "1e30 1e-320"),
        ("distill.softmax_scale", "1e30"),
        ("distill.first_part", "1e308"),
        ("bench.seconds", "1e308"),
        ("int8.budget", "1e308"),
        ("teacher.dim", "99999999999"),
    ],
)
def test_a_number_that_nobody_means_is_refused(key: str, values: str) -> None:
    for value in values.split():
        with pytest.raises(EmbedgeError, match=rf"E-RECIPE-KEY(?s:.*){key}: .*should be"):
            load_recipe("rendered", [f"--{key}", value])
