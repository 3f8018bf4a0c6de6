"""What `embedge fit-to` takes: milliseconds with their unit, and lists of shapes."""

import argparse

import pytest

from embedge.cli import parser_of
from embedge.cli.machine import fit_to


def taken(*words: str) -> argparse.Namespace:
    return parser_of(fit_to, "embedge fit-to").parse_args(words)


def test_a_latency_and_shapes_are_read() -> None:
    found = taken("--latency", "4ms", "--widths", "0.25,1", "--architectures", "repface")
    assert found.latency == 4.0
    assert (found.widths, found.architectures) == ((0.25, 1.0), ("repface",))
    assert taken("--latency", "4.5").latency == 4.5


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--latency", "soon"),
        ("--latency", "0ms"),
        ("--latency", "-4ms"),
        ("--latency", "4ms", "--write", "shapes"),
        ("--latency", "4ms", "--widths", "0.5,x"),
        ("--latency", "4ms", "--widths", "0"),
        ("--latency", "4ms", "--depths", "3"),
        ("--latency", "4ms", "--architectures", "resnet"),
        ("--latency", "4ms", "--activations", "gelu"),
        ("--latency", "4ms", "--train", "0"),
        ("--latency", "4ms", "--seconds", "nan"),
    ],
)
def test_what_cannot_be_is_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        taken(*words)
    assert left.value.code == 2
    assert "embedge fit-to" in capsys.readouterr().err
