import argparse
import importlib
from collections.abc import Iterator

import pytest

from embedge.cli import COMMANDS, main, numbers, parser_of
from embedge.cli.parser import choices_of

SIGNED = {"--mean", "--threshold"}
OTHER_NUMBERS = {"_counts", "_quality"}  # a list of numbers, and JPEG's quality


def options_with_a_type() -> Iterator[tuple[str, argparse.Action]]:
    def of(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.Action]]:
        for action in parser._actions:
            yield from [(name, action)] if action.type is not None else []
        for more, inner in choices_of(parser).items():
            yield from of(inner, f"{name} {more}")

    for command, (module, _) in COMMANDS.items():
        yield from of(parser_of(importlib.import_module(f"embedge.cli.{module}"), command), command)


NUMBERS = [
    pytest.param(action, id=f"{command} {'/'.join(action.option_strings) or action.dest}")
    for command, action in options_with_a_type()
    if isinstance(action.type, numbers.Number)
    or getattr(action.type, "__name__", "") in OTHER_NUMBERS
]


def test_no_option_takes_any_number_whatever() -> None:
    loose = [
        f"{command} {action.option_strings}"
        for command, action in options_with_a_type()
        if action.type in (int, float) and not action.choices
    ]
    assert not loose
    assert len(NUMBERS) > 60


@pytest.mark.parametrize("action", NUMBERS)
def test_no_number_is_nan_endless_or_negative(action: argparse.Action) -> None:
    signed = SIGNED & set(action.option_strings)
    for text in ("nan", "inf", "-inf", "1e999", "many", *([] if signed else ["-1"])):
        with pytest.raises((argparse.ArgumentTypeError, ValueError)):
            action.type(text)  # type: ignore[operator,misc]


@pytest.mark.parametrize("action", NUMBERS)
def test_every_default_could_be_given(action: argparse.Action) -> None:
    if isinstance(action.type, numbers.Number) and isinstance(action.default, int | float):
        assert action.type(str(action.default)) == action.default


@pytest.mark.parametrize(
    ("kind", "taken", "refused"),
    [
        (numbers.RATE, ["1e-9", "0.5"], ["0", "1", "2"]),
        (numbers.SEED, ["0", "4294967295"], ["4294967296", "0.5", "1e3"]),
        (numbers.SECONDS, ["0.1", "86400"], ["0", "86401"]),
        (numbers.DIVISOR, ["1", "0.229"], ["0", "1e-45"]),
        (numbers.COSINE, ["-0.9", "1"], ["1.1", "-2"]),
        (numbers.COUNT, ["1"], ["0", "99999999999"]),
    ],
)
def test_what_each_takes(kind: numbers.Number, taken: list[str], refused: list[str]) -> None:
    assert all(kind(text) == float(text) for text in taken)
    for text in refused:
        with pytest.raises(argparse.ArgumentTypeError, match=f"^{text} is not a"):
            kind(text)


@pytest.mark.parametrize(
    "typed",
    [
        "evaluate --models a.onnx --all-pairs --root f --fmrs 0",
        "evaluate --models a.onnx --all-pairs --root f --fmrs 0.1 nan",
        "bundle a.onnx --faces f --fmr nan",
        "bundle a.onnx --faces f --seed -1",
        "bundle a.onnx --faces f --std 1e-45",
        "export-target a.embedge --target ncnn --fmr 2",
        "quantize a.onnx --calib f --out b.onnx --floor nan",
        "dossier a.onnx f --out d --seed -1",
        "certify a.embedge f --old b.onnx --out d --margin 1",
    ],
)
def test_a_command_says_it_in_one_line(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(typed.split())
    option = [word for word in typed.split() if word.startswith("--")][-1]
    value = typed.split()[-1]
    assert stopped.value.code == 2
    assert f"error: argument {option}: {value} is not a" in capsys.readouterr().err
