import argparse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle

from embedge.cli.machine import bench
from embedge.errors import EmbedgeError
from embedge.runtime.bundle.bundle import Bundle


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.configure(parser)
    return parser.parse_args(["tiny.embedge", *arguments])


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(tiny_bundle(tmp_path / "tiny.embedge"))


def test_the_plan_begins_with_the_default_artifact(bundle: Bundle) -> None:
    plan = bench._wanted(options("--threads", "1,3"), bundle)
    assert plan.artifacts == ("fp32", "raw")
    assert plan.threads == (1, 3)
    assert plan.scenarios == bench.SCENARIOS
    chosen = bench._wanted(options("--artifact", "raw", "--scenario", "server", "--engine"), bundle)
    assert (chosen.artifacts, chosen.scenarios, chosen.threads) == (("raw",), ("server",), (1,))


@pytest.mark.parametrize("counts", ["0", "1,4097", "1,,2", "many"])
def test_counts_are_numbers_from_1(counts: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options("--batches", counts)
    assert "argument --batches" in capsys.readouterr().err


def test_own_crops_are_each_compared_with_the_next(tmp_path: Path, bundle: Bundle) -> None:
    paths = [tmp_path / f"{seed}.png" for seed in range(3)]
    for seed, path in enumerate(paths):
        Image.fromarray(face_like(seed)).save(path)
    crops, queries = bench._given(paths, bundle)
    assert np.array_equal(crops[2], face_like(2))
    files = [path.read_bytes() for path in paths]
    assert [(a[0], b[0]) for a, b in queries] == list(zip(files, [*files[1:], files[0]]))
    Image.fromarray(face_like(1, 64)).save(paths[1])
    with pytest.raises(EmbedgeError, match="64×64, a crop is 112×112") as caught:
        bench._given(paths, bundle)
    assert caught.value.where == str(paths[1])
