"""Options of the command, its progress and the faces it measures on."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embedge.cli.ship import build_engine
from embedge.errors import EmbedgeError


def options(*more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    build_engine.configure(parser)
    return parser.parse_args(["lock.embedge", *more])


def test_options_become_engine_options() -> None:
    asked = options("--batch", "1,4,16", "--dla", "0", "--sm", "86", "--sm", "89")
    found = build_engine._engine_options(asked, "fp16")
    assert found.batches == (1, 4, 16)
    assert (found.precision, found.dla, found.sms) == ("fp16", 0, (86, 89))
    assert "~" not in str(found.timing_cache)


@pytest.mark.parametrize(
    ("given", "precisions"),
    [
        ([], ("int8", "fp16")),
        (["--dla", "0"], ("fp16",)),
        (["--precision", "int8"], ("int8",)),
        (["--precision", "fp32", "--sm", "86"], ("fp32",)),
    ],
)
def test_int8_and_fp16_are_built_unless_one_is_asked_for(
    given: list[str], precisions: tuple[str, ...]
) -> None:
    assert build_engine._precisions(options(*given)) == precisions


def test_what_is_faster_cannot_be_told_ahead_of_time() -> None:
    with pytest.raises(EmbedgeError, match=r"E-ENGINE-OPTION.*--sm builds ahead"):
        build_engine._precisions(options("--sm", "86"))


@pytest.mark.parametrize(
    ("given", "single", "named"),
    [
        (["--out", "e.plan"], False, "--out"),
        (["--artifact", "fp16", "--drop-signature"], True, "--artifact, --drop-signature"),
    ],
)
def test_options_of_a_bundle_are_not_those_of_a_file(
    given: list[str], single: bool, named: str
) -> None:
    build_engine._require_fitting(options(*given), single=not single)
    with pytest.raises(EmbedgeError, match=f"E-ENGINE-OPTION: {named} does not go with"):
        build_engine._require_fitting(options(*given), single=single)


@pytest.mark.parametrize(("text", "found"), [("3", (3, 3, 3)), ("1,2,8", (1, 2, 8))])
def test_batches(text: str, found: tuple[int, int, int]) -> None:
    assert build_engine._batches(text) == found


@pytest.mark.parametrize("text", ["", "many", "1,2", "1,2,3,4"])
def test_no_batches(text: str) -> None:
    with pytest.raises(EmbedgeError, match="E-ENGINE-OPTION"):
        build_engine._batches(text)


def test_shares_become_whole_steps() -> None:
    steps = []

    class Task:
        def advance(self, count: int = 1, note: str = "") -> None:
            steps.append((count, note))

    tell = build_engine._percent(Task())
    for share in (0.001, 0.1, 0.1, 0.505, 1.0):
        tell(share, "phase")
    assert [count for count, _ in steps] == [10, 40, 50]


def test_faces_are_rendered_or_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for grey, name in enumerate(("b.png", "a.png")):
        Image.new("RGB", (112, 112), (grey, grey, grey)).save(tmp_path / name)
    checking = build_engine._checking(options("--faces", str(tmp_path)))
    assert checking.crops()[:, 0, 0, 0].tolist() == [1, 0]
    rendered = build_engine._checking(options()).crops()
    assert (rendered.shape, rendered.dtype) == ((32, 112, 112, 3), np.uint8)
    assert rendered.std() > 10
    with pytest.raises(EmbedgeError, match=r"E-CALIBRATION.*no such folder"):
        build_engine._checking(options("--faces", str(tmp_path / "no"))).crops()
