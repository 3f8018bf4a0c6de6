"""A key pair, a signed bundle, and who may be trusted."""

import json
from pathlib import Path

import pytest
from sample_report import sample_report
from tiny_bundles import tiny_bundle

from embedge.cli import main
from embedge.typed import plain


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "lock.embedge")


def test_new_key_sign_check(
    tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, other = tmp_path / "key.pem", tmp_path / "other.pem"
    for file in (key, other):
        assert main(["sign", "new-key", str(file)]) == 0
    assert "not locked with a password" in capsys.readouterr().out
    assert main(["sign", "bundle", str(bundle), "--key", str(key)]) == 0
    signer = capsys.readouterr().out.split()[-1]
    trusted = ["sign", "check", str(bundle), "--trust"]
    assert main([*trusted, f"{key}.pub"]) == 0
    assert f"every file as signed by key {signer}" in capsys.readouterr().out
    assert main([*trusted, f"{other}.pub"]) != 0
    assert "E-" in capsys.readouterr().err


def test_a_locked_key_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMBEDGE_SIGNING_PASSWORD", "secret")
    assert main(["sign", "new-key", str(tmp_path / "key.pem")]) == 0
    assert "(locked with the password; keep it)" in capsys.readouterr().out
    assert b"ENCRYPTED" in (tmp_path / "key.pem").read_bytes()


def test_a_document_is_signed_and_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, paper = tmp_path / "key.pem", tmp_path / "report.json"
    told = json.dumps(plain(sample_report()))
    paper.write_text(f"{told}\n")
    assert main(["sign", "new-key", str(key)]) == 0
    checked = ["sign", "check-document", str(paper), "--trust", f"{key}.pub"]
    assert main(checked) == 2
    assert "E-SIGNATURE" in capsys.readouterr().err
    assert main(["sign", "document", str(paper), "--key", str(key)]) == 0
    assert main(checked) == 0
    paper.write_text(f"{told} \n")
    assert main(checked) == 2
    assert "does not fit it" in capsys.readouterr().err
