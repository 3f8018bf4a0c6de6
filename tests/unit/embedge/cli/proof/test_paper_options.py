"""What certify and dossier ask alike."""

import argparse
from pathlib import Path

import pytest

from embedge.cli.proof.paper_options import (
    add_paper_options,
    require_measured_again,
    signed_by,
    stated_in,
)
from embedge.errors import EmbedgeError
from embedge.report.model import Verdict
from embedge.report.papers.paper import paper_bytes, signature_path
from embedge.runtime.bundle.signing_keys import new_signing_key


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    path = tmp_path / "some.json"
    path.write_bytes(paper_bytes(Verdict.of([])))
    return path


def asked(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_paper_options(parser, "paper")
    return parser.parse_args(arguments)


def test_either_a_place_to_write_to_or_a_document_to_check(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments in ([], ["--out", "a", "--check", "b"]):
        with pytest.raises(SystemExit):
            asked(*arguments)
    assert "--check" in capsys.readouterr().err


def test_signed_where_a_key_was_given_and_read_by_whoever_trusts_it(paper: Path) -> None:
    key = paper.parent / "key.pem"
    new_signing_key(key)
    assert signed_by(paper, asked("--out", "a")) is None
    trusting = asked("--check", str(paper), "--trust", f"{key}.pub")
    with pytest.raises(EmbedgeError, match="it is not signed"):
        stated_in(Verdict, trusting)
    assert len(signed_by(paper, asked("--out", "a", "--key", str(key))) or "") == 64
    assert signature_path(paper).exists()
    assert stated_in(Verdict, trusting) == stated_in(Verdict, asked("--check", str(paper)))


def test_what_was_measured_again_is_compared_entry_by_entry(paper: Path) -> None:
    stated = {"created": "then", "a": [1.0, 2.0], "b": {"c": True, "d": "x"}}
    require_measured_again(stated, {**stated, "created": "now", "a": [1.0, 2.0000001]}, paper)
    changed = {**stated, "a": [1.0, 2.1], "b": {"c": False, "d": "x", "e": 1}}
    with pytest.raises(EmbedgeError, match=r"3 entries .*: a\[1\], b\.c, b\.e"):
        require_measured_again(stated, changed, paper)
