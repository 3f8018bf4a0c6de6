import pytest

from embedge.cli import main
from embedge.cli.learn import compare


def test_names_are_separated_by_commas_and_said_once() -> None:
    assert compare._methods("kd, scratch,kd") == ["kd", "scratch"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "kd,unkown"], "E-METHOD: there is no method 'unkown'"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments]) == 2
    assert message in capsys.readouterr().err
