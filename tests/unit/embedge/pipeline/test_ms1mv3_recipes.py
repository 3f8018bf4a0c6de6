"""The recipes for MS1MV3, on a RecordIO of nine people with a teacher of eight dimensions."""

import re
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
import torch
from face_sets import converted

from embedge.pipeline.dry_run.preview import preview_of
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_file import RECIPES, load_recipe
from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.models.iresnet import iresnet
from embedge.train.seeds import seeded

PEOPLE, EACH = 9, 4
WEIGHTS = {"a": 0.9, "alpha": 1.0, "beta": 60.0, "temperature": 1.0, "softmax_scale": 64.0}
PUBLISHED = {
    "th-kd": "IJB-C TAR 95.48/93.50/89.82 at 1e-4/1e-5/1e-6",
    "sh-kd": "IJB-C TAR 95.64/93.73/90.24 at 1e-4/1e-5/1e-6",
    "proxyless": "arXiv 2011.00265",
    "scratch": "IJB-C TAR 95.42/92.75/88.72 at 1e-4/1e-5/1e-6 (arXiv 2201.06945)",
}
METHODS = ("th-kd", "sh-kd", "proxyless", "scratch")
HERE = "--teacher.device cpu --teacher.amp fp32 --student.train.device cpu --student.train.amp fp32"
SMALL = "--data.held_out 6 --student.width 0.125 --student.train.batch 4 --teacher.batch 8"
SHAPING = "--distill.shaping.device cpu --distill.shaping.amp fp32 --distill.shaping.batch 4"


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("ms1mv3")
    labels = np.repeat(np.arange(PEOPLE), EACH)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 112, 112, 3))
    names = tuple(f"{person:02d}" for person in range(PEOPLE))
    faces = FaceSet("few", images.astype(np.uint8), labels, names, "f")
    converted(faces, folder / "rec", "recordio", Progress(quiet=True))
    with seeded(0):
        teacher = iresnet(18, 8, channels=(16, 16, 16, 16))
    torch.save(teacher.state_dict(), folder / "backbone.pth")
    return ["--data.source", str(folder / "rec"), "--teacher.file", str(folder / "backbone.pth")]


def recipe_of(method: str, given: list[str]) -> Recipe:
    more = f"{HERE} {SMALL}" + (f" {SHAPING}" if method == "sh-kd" else "")
    return load_recipe(f"ms1mv3-{method}", given + more.split())


@pytest.mark.parametrize("method", METHODS)
def test_it_says_what_it_reproduces(method: str) -> None:
    recipe = load_recipe(f"ms1mv3-{method}", planned=True)
    train, margin = recipe.student.train, recipe.distill.margin
    assert (recipe.distill.method, train.epochs, train.batch) == (method, 30, 1024)
    assert (train.optimizer, train.momentum, train.nesterov) == ("sgd", 0.9, False)
    assert (train.weight_decay, train.decay_norms, train.schedule) == (2e-4, True, "stairs")
    assert (train.lr, train.warmup, train.stairs) == (0.2, 0, (1 / 3, 2 / 3, 5 / 6))
    assert (margin.m1, margin.m2, margin.m3, margin.scale) == (1.0, 0.5, 0.0, 64.0)
    assert (margin.quality, margin.straight_through) == (0.0, False)
    assert (recipe.distill.head_dtype, recipe.distill.logits_mb) == ("bf16", 8192)
    assert (train.amp, recipe.teacher.amp, recipe.student.scale) == ("bf16", "bf16", 1)
    assert (recipe.data.flip, train.jitter, train.fp32_tail) == (True, False, True)
    assert train.device == recipe.teacher.device == "cuda"
    if method in ("th-kd", "sh-kd"):
        assert {name: getattr(recipe.distill, name) for name in WEIGHTS} == WEIGHTS
    if method == "sh-kd":
        shaping = recipe.distill.shaping
        assert (shaping.epochs, shaping.batch, shaping.schedule) == (25, 1024, "polynomial")
        assert (shaping.optimizer, shaping.lr, shaping.warmup) == ("sgd", 0.2, 0)
        assert (shaping.weight_decay, shaping.decay_norms) == (5e-4, True)
        assert (shaping.amp, shaping.device, shaping.fp32_tail) == ("bf16", "cuda", True)


@pytest.mark.parametrize("method", METHODS)
def test_its_head_says_what_it_is_and_what_its_numbers_do(method: str) -> None:
    """The words at the top are held against the keys below them."""
    lines = (RECIPES / f"ms1mv3-{method}.yaml").read_text().splitlines()
    head = " ".join(takewhile(lambda line: line.startswith("#"), lines)).replace("# ", "")
    assert PUBLISHED[method] in head
    assert "Not yet run" in head
    train = load_recipe(f"ms1mv3-{method}", planned=True).student.train
    assert f"weight decay {train.weight_decay:.0e}".replace("e-0", "e-") in head
    falls = [round(share * train.epochs) for share in train.stairs]
    assert f"thirty epochs, a tenth of the rate after {falls[0]}, {falls[1]} and {falls[2]}" in head
    assert train.epochs == 30
    assert f"{train.lr / 2:g} for 512 pictures, and so {train.lr:g} for {train.batch:,}" in head


@pytest.mark.parametrize("method", METHODS)
def test_its_dry_run_foresees_every_stage(method: str, given: list[str], tmp_path: Path) -> None:
    recipe = recipe_of(method, given)
    text = preview_of(tmp_path / "run", recipe, update=False)
    assert f"{(PEOPLE - 6) * EACH} pictures of {PEOPLE - 6} people to learn from" in text
    last = "th-kd" if method == "sh-kd" else method
    assert f"student-{last}" in text
    assert bool(re.search(r"teacher-shaped +do +about", text)) == (method == "sh-kd")
    assert bool(re.search(r"^  cache ", text, re.MULTILINE)) == (method != "scratch")
    # thirty epochs of twelve pictures in batches of four
    schedule = recipe.student.train.over((PEOPLE - 6) * EACH)
    assert schedule.steps == 90
