import contextlib

import pytest

from embedge.cli import main


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("migrate", "did you mean `embedge gallery migrate`?"),
        ("gallery inf", "did you mean info?"),
        ("data inspekt x", "did you mean inspect?"),
        ("doctor --jsn", "unrecognized arguments: --jsn; did you mean --json?"),
        ("gallery info g --kye-file=k", "did you mean --key-file?"),
        ("completion bsh", "did you mean bash?"),
        ("data align p o --detecter=d", "required: --detector; did you mean --detector?"),
        ("data align p o --face one", "required: --detector"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(typed.split())
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith(f"{meant}\n")


def test_nothing_is_guessed_where_nothing_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--zzz"])
    assert "mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["help"], ["help", "verify"], ["help", "bundle", "add-detector"]]
)
def test_help_is_a_word_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        main(words)
    assert capsys.readouterr().out.startswith(" ".join(["usage: embedge", *words[1:]]))
