import pytest

from embedge.printed import counted, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë 李 O'Brien", "Zoë 李 O'Brien"),
        ("ann\nMATCH", r"ann\nMATCH"),
        ("\x1b[2Jann\0", r"\x1b[2Jann\x00"),
        ("\x9b2J", r"\x9b2J"),
        ("ann\u202enna", r"ann\u202enna"),
        ("a\udcffb", r"a\udcffb"),
        ("\U000e0041", r"\U000e0041"),
        (None, "None"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: object, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).encode()


def test_the_lines_of_a_message_may_be_kept() -> None:
    assert printable("two\nlines\t\x07", keep="\n") == "two\nlines\\t\\x07"


def test_one_is_not_many() -> None:
    assert counted(1, "person", "people") == "1 person"
    assert counted(1200, "person", "people") == "1,200 people"
    assert counted(0, "picture") == "0 pictures"
