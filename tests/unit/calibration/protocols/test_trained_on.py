from pathlib import Path

import pytest

from embedge.calibration.protocols.trained_on import TrainedOn, trained_on_from
from embedge.errors import EmbedgeError


def found(tmp_path: Path, text: str, name: str = "list.txt") -> TrainedOn:
    path = tmp_path / name
    path.write_text(text)
    return trained_on_from(path, ["p1", "p2", "Zoë"])


@pytest.mark.parametrize(
    "text", ["p1", "\ufeff p1 ", "p1/\r\nx", "p1/0001.JPG", "p9\n\np1/a.png\np1/b.png"]
)
def test_people_are_known_however_they_are_written(tmp_path: Path, text: str) -> None:
    (fault,) = found(tmp_path, text).faults
    assert (fault.code, fault.severity, fault.examples) == ("leaking-split", "error", ("p1",))


@pytest.mark.parametrize("name", ["P1", "Zoe\u0308", "ZOË"])
def test_another_case_or_encoding_is_the_same_name_and_told(tmp_path: Path, name: str) -> None:
    (fault,) = found(tmp_path, name).faults
    assert "differs in case or encoding" in fault.examples[0]


STRANGERS = "".join(f"z{number}\n" for number in range(20))


@pytest.mark.parametrize(
    "line",
    ["/data/train/p1", "train/p1", "C:\\train\\p1", "p1,120", "p-1", "P_1", "./set/p1/0.png"],
)
def test_somebody_under_another_spelling_is_found_among_strangers(
    tmp_path: Path, line: str
) -> None:
    (fault,) = found(tmp_path, f"{STRANGERS}{line}\n").faults
    assert fault.count == 1
    assert fault.examples[0].startswith("p1 (listed as ")


@pytest.mark.parametrize(
    ("line", "unlike"), [("/data/train/p11", 1), ("p1x", 1), ("120,p3", 1), ("xp1", 0)]
)
def test_other_people_are_not_accused(tmp_path: Path, line: str, unlike: int) -> None:
    told = found(tmp_path, f"{STRANGERS}{line}\n")
    assert told.faults == ()
    others = f"; {unlike} are spelled unlike theirs" if unlike else ""
    assert told.words == f"list of 21 names, 0 among these people{others}"


def test_numbers_of_a_table_are_nobody(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("7,120\n1_11\n")
    assert trained_on_from(path, ["120", "11_1"]).faults == ()


def test_what_quantize_leaves_is_a_list(tmp_path: Path) -> None:
    text = '{"format": "embedge.calibration-set/1", "pictures": [{"name": "p2/0.png"}]}'
    assert found(tmp_path, text, "q.calibration.json").faults[0].examples == ("p2",)


def test_a_list_of_other_people_is_told_with_its_size(tmp_path: Path) -> None:
    told = found(tmp_path, "p7\np81\n")
    assert told.comparable
    assert told.words == "list of 2 names, 0 among these people"


def test_names_of_another_kind_prove_nothing(tmp_path: Path) -> None:
    told = found(tmp_path, "m.0abc\nm.1xyz\n")
    assert not told.comparable
    assert told.words == "not checked: the list of 2 names names nobody here"


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("", "a.txt", "is empty"),
        (" \n\n", "a.txt", "is empty"),
        ("1.png\n2.png", "a.txt", "names pictures without people"),
        ("{}", "a.json", "no calibration.json"),
        ('{"format": "else", "pictures": []}', "a.json", "no calibration.json"),
    ],
)
def test_a_list_of_nobody_is_refused(tmp_path: Path, text: str, name: str, told: str) -> None:
    with pytest.raises(EmbedgeError, match=f"E-PEOPLE: the list of people trained on .*{told}"):
        found(tmp_path, text, name)


def test_a_list_that_is_not_there_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError) as told:
        trained_on_from(tmp_path / "nope", ["p1"])
    assert told.value.what.endswith("cannot be read: there is no such file")
