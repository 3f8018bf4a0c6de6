"""`embedge fit-to`: shapes written here, timed as on a device, and the best of them found."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml
from called import called, started

from embedge.pipeline.recipe_file import load_recipe

TINY = Path(__file__).parent / "tiny.yaml"
GRID = ["--widths", "0.125,0.25", "--depths", "0.5", "--activations", "relu", "--dim", "32"]


def fit_to(
    *arguments: object, run: Callable[..., CompletedProcess[str]] = called
) -> CompletedProcess[str]:
    return run("fit-to", *arguments, "--quiet")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    written = fit_to("--write", folder / "shapes", *GRID)
    assert written.returncode == 0, written.stderr
    file = folder / "device.json"
    timing = ("--device", file, "--seconds", "1")
    measured = fit_to("--measure", folder / "shapes", *timing, run=started)
    assert measured.returncode == 0, measured.stderr
    return file


def test_the_shape_it_finds_is_within_the_limit_and_fits_a_recipe(
    device: Path, tmp_path: Path
) -> None:
    arguments = ("--latency", "60000ms", "--device", device, "--recipe", TINY, "--steps", "3")
    out = tmp_path / "run"
    done = fit_to(*arguments, "--train", "3", "--out", out)
    assert done.returncode == 2  # sixty seconds is no latency
    done = fit_to("--latency", "5000ms", *arguments[2:], "--train", "3", "--out", out)
    assert done.returncode == 0, done.stderr
    found = json.loads((out / "fit.json").read_text())
    assert len(found["trained"]) == 3
    errors = [one["eer"] for one in found["trained"]]
    assert errors == sorted(errors)
    best = found["trained"][0]["shape"]["name"]
    assert f"{best} errs least within 5000 ms" in done.stdout
    assert sum(line.startswith("| ") for line in done.stdout.splitlines()) == 4
    keys = yaml.safe_load((out / "fitted.yaml").read_text())
    merged = tmp_path / "merged.yaml"
    merged.write_text(yaml.safe_dump({**yaml.safe_load(TINY.read_text()), **keys}))
    recipe = load_recipe(str(merged))
    assert recipe.student.width == found["trained"][0]["shape"]["width"]
    again = fit_to("--latency", "5000ms", *arguments[2:], "--train", "3", "--out", out)
    assert again.stdout == done.stdout


def test_this_machine_is_measured_once_for_a_run_folder(tmp_path: Path) -> None:
    grid = ["--widths", "0.125", "--depths", "0.5", "--activations", "relu", "--dim", "32"]
    asked = ["--latency", "5000ms", "--recipe", TINY, "--steps", "2", "--train", "1", *grid]
    asked += ["--architectures", "repface", "--seconds", "0.5", "--out", tmp_path / "run"]
    done = fit_to(*asked)
    assert done.returncode == 0, done.stderr
    assert "repface-w0.125-d0.5-relu-32 errs least" in done.stdout
    times = (tmp_path / "run" / "device.json").read_bytes()
    again = fit_to(*asked)
    assert again.stdout == done.stdout
    assert (tmp_path / "run" / "device.json").read_bytes() == times


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--latency", "0ms"], "not a time such as 4ms"),
        (["--latency", "4ms", "--architectures", "vit"], "no 'vit' among mobilefacenet, repface"),
        (["--latency", "4ms", "--widths", "0"], "not a number above 0"),
        (["--measure", "nowhere"], "E-FIT"),
        (["--measure", "nowhere", "--device", "x.json"], "E-FIT"),
        (["--latency", "4ms", "--device", "nowhere.json"], "E-FIT"),
        ([], "one of the arguments --latency --write --measure is required"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = fit_to(*arguments, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
