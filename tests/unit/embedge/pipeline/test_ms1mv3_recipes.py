"""The recipes for MS1MV3, on a RecordIO of nine people with a teacher of eight dimensions."""

import re

import numpy as np
import pytest
import torch

from embedge.pipeline.dry_run.preview import preview_of
from embedge.pipeline.recipe_file import load_recipe
from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.data.tools.convert import convert
from embedge.train.models.iresnet import iresnet
from embedge.train.seeds import seeded

PEOPLE, EACH = 9, 4
METHODS = ("th-kd", "sh-kd", "proxyless", "scratch")
HERE = "--teacher.device cpu --teacher.amp fp32 --student.train.device cpu --student.train.amp fp32"
SMALL = "--data.held_out 6 --student.width 0.125 --student.train.batch 4 --teacher.batch 8"
SHAPING = "--distill.shaping.device cpu --distill.shaping.amp fp32 --distill.shaping.batch 4"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ms1mv3")
    labels = np.repeat(np.arange(PEOPLE), EACH)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 112, 112, 3))
    names = tuple(f"{person:02d}" for person in range(PEOPLE))
    faces = FaceSet("few", images.astype(np.uint8), labels, names, "f")
    convert(faces, folder / "rec", "recordio", Progress(quiet=True))
    with seeded(0):
        teacher = iresnet(18, 8, channels=(16, 16, 16, 16))
    torch.save(teacher.state_dict(), folder / "backbone.pth")
    return ["--data.source", str(folder / "rec"), "--teacher.file", str(folder / "backbone.pth")]


def recipe_of(method, given):
    more = f"{HERE} {SMALL}" + (f" {SHAPING}" if method == "sh-kd" else "")
    return load_recipe(f"ms1mv3-{method}", given + more.split())


@pytest.mark.parametrize("method", METHODS)
def test_it_says_what_it_reproduces(method):
    recipe = load_recipe(f"ms1mv3-{method}", planned=True)
    train, margin = recipe.student.train, recipe.distill.margin
    assert (recipe.distill.method, train.epochs, train.batch) == (method, 30, 1024)
    assert (train.optimizer, train.momentum, train.nesterov) == ("sgd", 0.9, False)
    assert (train.weight_decay, train.decay_norms, train.schedule) == (2e-4, True, "stairs")
    assert (margin.m2, margin.scale) == (0.5, 64.0)
    assert (recipe.data.flip, train.jitter, train.fp32_tail) == (True, False, True)
    assert train.device == recipe.teacher.device == "cuda"
    if method == "sh-kd":
        assert recipe.distill.shaping.epochs == 25


@pytest.mark.parametrize("method", METHODS)
def test_its_dry_run_foresees_every_stage(method, given, tmp_path):
    recipe = recipe_of(method, given)
    text = preview_of(tmp_path / "run", recipe, update=False)
    assert f"{(PEOPLE - 6) * EACH} pictures of {PEOPLE - 6} people to learn from" in text
    last = "th-kd" if method == "sh-kd" else method
    assert f"student-{last}" in text
    assert bool(re.search(r"teacher-shaped +do +about", text)) == (method == "sh-kd")
    # thirty epochs of twelve pictures in batches of four
    schedule = recipe.student.train.over((PEOPLE - 6) * EACH)
    assert schedule.steps == 90
