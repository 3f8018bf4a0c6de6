import os
from pathlib import Path

import pytest

from embedge.cli.people_tables import people_of_csv, people_of_folder
from embedge.errors import EmbedgeError


def test_folders_are_people_and_hidden_things_are_nobody(tmp_path: Path) -> None:
    for name in (
        "ben/2.png",
        "ben/1.png",
        "ann/1.png",
        "ann/.thumb",
        ".git/1.png",
        "ann/sub/3.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "readme.txt").touch()
    assert people_of_folder(tmp_path) == [
        (name.split("/")[0], tmp_path / name) for name in ("ann/1.png", "ben/1.png", "ben/2.png")
    ]


def test_a_table_begins_where_it_lies(tmp_path: Path) -> None:
    table = tmp_path / "who.csv"
    table.write_text('\ufeffa.png,ann\n\n"b,1.png","ben, junior"\n/c.png,cy\n', encoding="utf-8")
    assert people_of_csv(table) == [
        ("ann", tmp_path / "a.png"),
        ("ben, junior", tmp_path / "b,1.png"),
        ("cy", Path("/c.png")),
    ]


def test_the_first_line_may_say_what_the_columns_are(tmp_path: Path) -> None:
    table = tmp_path / "who.csv"
    table.write_text("Picture, person\na.png,ann\npicture,person\n")
    assert people_of_csv(table) == [
        ("ann", tmp_path / "a.png"),
        ("person", tmp_path / "picture"),
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a.png,ann\nb.png\n", "row 2 is not"),
        (b"", "it is empty"),
        (b"\xff\xfe,x", "be read.* a table .* in UTF-8"),
        ("a.png,Zoë".encode("latin-1"), "be read.* a table .* in UTF-8"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    table = tmp_path / "who.csv"
    table.write_bytes(content)
    with pytest.raises(EmbedgeError, match=why) as caught:
        people_of_csv(table)
    assert (caught.value.code, caught.value.where) == ("E-PEOPLE", str(table))
    with pytest.raises(EmbedgeError, match="no folder with pictures"):
        people_of_folder(tmp_path)


def test_only_a_file_of_bounded_size_is_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, large = tmp_path / "pipe", tmp_path / "large.csv"
    os.mkfifo(pipe)
    large.write_text("a.png,ann\n" * 3)
    monkeypatch.setattr("embedge.cli.people_tables._LARGEST_TABLE", 20)
    for table, why in ((Path("/dev/null"), "a device"), (pipe, "a pipe"), (large, "more than 20")):
        with pytest.raises(EmbedgeError, match=f"E-PEOPLE.*{why}"):
            people_of_csv(table)


@pytest.mark.parametrize("what", ["ann/2.png", "ben"])
def test_a_link_out_of_the_folder_is_refused_and_one_within_is_not(
    what: str, tmp_path: Path
) -> None:
    people, outside = tmp_path / "people", tmp_path / "outside"
    (people / "ann").mkdir(parents=True)
    outside.mkdir()
    for picture in (people / "ann" / "1.png", outside / "1.png"):
        picture.touch()
    (people / "ann" / "3.png").symlink_to("1.png")
    assert len(people_of_folder(people)) == 2
    (people / what).symlink_to(outside / "1.png" if "/" in what else outside)
    with pytest.raises(EmbedgeError, match=f"E-PEOPLE: .*{what}.* a link that leads out of it"):
        people_of_folder(people)


def test_a_link_to_nothing_is_listed(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "1.png").touch()
    (tmp_path / "ann" / "2.png").symlink_to("gone.png")
    (tmp_path / "ann" / "3.png").symlink_to("3.png")
    (tmp_path / "ann" / "4").symlink_to(".")
    (tmp_path / "ben").symlink_to("gone")
    (tmp_path / ".hidden").symlink_to("gone")
    names = ("ann/1.png", "ann/2.png", "ann/3.png", "ben")
    assert people_of_folder(tmp_path) == [(name.split("/")[0], tmp_path / name) for name in names]
