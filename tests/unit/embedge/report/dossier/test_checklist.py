"""Every item of the checklist is there once, told or missing."""

import pytest

from embedge.report.dossier.checklist import ITEMS, STATED, Entry, checklist


def test_nothing_told_is_everything_missing() -> None:
    entries = checklist({}, {})
    assert len(entries) == len(ITEMS) + len(STATED)
    assert {entry.status for entry in entries} == {"missing"}
    assert len({entry.item for entry in entries}) == len(entries)


def test_what_is_told_is_filled_and_attacks_are_another_test() -> None:
    told = {
        entry.item: entry for entry in checklist({"kind": "a", "attacks": "b"}, {"tester": "c"})
    }
    assert told["kind"].status == "filled"
    assert told["attacks"].status == "not applicable"
    assert told["tester"].answer == "c"
    assert told["capture"].status == "missing"


def test_what_is_told_of_some_people_only_is_partly_told() -> None:
    told = {one.item: one for one in checklist({"groups": "skin"}, {}, ["groups", "curve"])}
    assert (told["groups"].status, told["curve"].status) == ("partly", "missing")


def test_blanks_fill_nothing() -> None:
    told = {entry.item: entry for entry in checklist({}, {"tester": "  \n"})}
    assert told["tester"].status == "missing"


@pytest.mark.parametrize(("status", "answer"), [("missing", "told"), ("filled", "")])
def test_an_entry_does_not_contradict_itself(status: str, answer: str) -> None:
    with pytest.raises(ValueError, match="contradicts"):
        Entry("kind", "Kind", status, answer)  # type: ignore[arg-type]
