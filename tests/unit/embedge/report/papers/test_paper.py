"""Documents are whole, sound and bound to their page."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from embedge.errors import EmbedgeError
from embedge.report.gate.measurand import OTHER
from embedge.report.model import Gate, Verdict
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
