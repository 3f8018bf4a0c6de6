"""Documents are whole, sound and bound to their page."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from embedge.errors import EmbedgeError
from embedge.report.gate.measurand import OTHER
from embedge.report.model import Gate, Verdict
from embedge.report.papers.again import differing
from embedge.report.papers.paper import (
    paper_bytes,
    paper_from_bytes,
    read_paper,
    require_signed,
    sha256_of,
    sign_paper,
    signature_path,
    write_paper,
)
from embedge.runtime.bundle.signing_keys import new_signing_key

PAPER = Verdict.of([Gate.of(OTHER, "one", "something", 1.0, 2.0, "max")])


@dataclass(frozen=True, slots=True)
class NaN:
    value: float = float("nan")


def test_written_and_read_again(tmp_path: Path) -> None:
    path = write_paper(PAPER, "<p>page</p>", tmp_path, "note")
    assert path == tmp_path / "note.json"
    assert (tmp_path / "note.html").read_text() == "<p>page</p>"
    assert paper_from_bytes(Verdict, read_paper(path)) == PAPER
    assert sha256_of(PAPER) == sha256_of(paper_from_bytes(Verdict, paper_bytes(PAPER)))


def test_no_signature_outlives_what_it_signed(tmp_path: Path) -> None:
    new_signing_key(tmp_path / "key.pem")
    path = write_paper(PAPER, "", tmp_path, "note")
    sign_paper(path, tmp_path / "key.pem")
    assert require_signed(path, [tmp_path / "key.pem.pub"]) == path.read_bytes()
    write_paper(PAPER, "", tmp_path, "note")
    assert not signature_path(path).exists()


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"passed": false, "gates": []}', b"\xff"])
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(EmbedgeError, match="E-PAPER: this is no sound verdict"):
        paper_from_bytes(Verdict, data)


def test_not_a_number_is_no_figure() -> None:
    with pytest.raises(ValueError, match="JSON"):
        paper_bytes(NaN())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-PAPER: the document cannot be read"):
        read_paper(tmp_path / "none.json")


def test_places_that_differ_are_named_and_what_time_changes_is_not() -> None:
    assert differing({"created": 1, "versions": 2, "command": 3}, {"created": 4}) == []
    assert differing([1, [2]], [1, [2, 3]]) == ["[1]"]
    assert differing({"a": None}, {"a": 0.0}) == ["a"]
    assert differing({"a": 1000}, {"a": 1000.0005}) == []
    assert differing({"a": True}, {"a": 1.0}) == []
    assert differing({"a": True}, {"a": False}) == ["a"]


def _of(**change: object) -> dict[str, object]:
    found = {"genuine": 6000, "impostor": 124_500, "false_matches": 3, "subjects": 500}
    fmr = {"rate": 3 / 124_500, "low": 2e-7, "high": 1.9e-4}
    threshold = {"value": 0.3, "fmr": 1e-5, "fmr_upper": 9.9e-5}
    return {**found, "fmr": fmr, "threshold": threshold} | change


def test_intervals_and_evidence_are_held_to_their_last_figures() -> None:
    """A tenth of a per cent was ten times the default FMR target."""
    assert differing(_of(), _of()) == []
    for name, change in {
        "fmr": {"rate": 3 / 124_500, "low": 2.3e-5, "high": 2.5e-5},
        "threshold": {"value": 0.3, "fmr": 0.0, "fmr_upper": 1e-9},
        "subjects": 501,
        "impostor": 124_600,
        "false_matches": 6,
    }.items():
        assert differing(_of(**{name: change}), _of()), name
    assert differing(_of(threshold={"value": 0.3009, "fmr": 1e-5, "fmr_upper": 9.9e-5}), _of())


def test_a_comparison_that_rounding_turned_is_no_difference() -> None:
    turned = {"rate": 4 / 124_500, "low": 2.1e-7, "high": 2.1e-4}
    assert differing(_of(fmr=turned, false_matches=4), _of()) == []
    many = {"rate": 9 / 124_500, "low": 2.1e-7, "high": 2.1e-4}
    assert differing(_of(fmr=many, false_matches=9), _of())
