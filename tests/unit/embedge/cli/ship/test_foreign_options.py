import argparse

import pytest

from embedge.cli.ship.foreign_options import asked_of, feeding_text, foreign_options
from embedge.errors import EmbedgeError
from embedge.export.intake.feeding import ConfirmedFeeding, Stated
from embedge.export.intake.intake import Claims
from embedge.runtime.encoders.preprocessing import PREPROCESSING

SCALED = PREPROCESSING["rgb-scaled"]


def asked(*words: str) -> Claims:
    parser = argparse.ArgumentParser()
    foreign_options(parser)
    return asked_of(parser.parse_args(list(words)))


def test_nothing_said_is_nothing_stated() -> None:
    assert asked().stated == Stated(None, None, None, None, "0-255")


def test_what_is_said_is_stated() -> None:
    found = asked("--mean", "1", "2", "3", "--std", "4", "--colour", "BGR", "--output", "e")
    assert found.stated == Stated((1.0, 2.0, 3.0), (4.0,), "BGR", None, "0-255")
    assert found.output == "e"


def test_two_numbers_are_for_no_colours() -> None:
    with pytest.raises(EmbedgeError, match="E-FEEDING: --mean has 2 numbers"):
        asked("--mean", "1", "2")


def test_one_line_says_who_says_so_and_whether_faces_agree() -> None:
    found = ConfirmedFeeding(SCALED, "rgb-scaled", "stated", {"rgb-scaled": 0.012})
    assert feeding_text(found) == (
        "fed rgb-scaled (stated), confirmed on faces: equal error rate 1.2%"
    )
    poor = feeding_text(ConfirmedFeeding(SCALED, "rgb-scaled", "stated", {"rgb-scaled": 0.118}))
    assert poor.endswith(
        "11.8%; that is much: if these are photos, first embedge data align PHOTOS FACES"
    )
    assert "no face confirms it" in feeding_text(
        ConfirmedFeeding(SCALED, "rgb-scaled", "stated", {})
    )
    own = ConfirmedFeeding(SCALED, "rgb-scaled", "the model's own metadata", {})
    assert feeding_text(own) == "fed rgb-scaled (the model's own metadata)"
