"""embedge dossier: what it prints, writes and refuses."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from enrolled_people import FMR, enrolled_people

from embedge.cli import main
from embedge.files import sha256_file
from embedge.report.dossier.dossier import Dossier
from embedge.report.papers.paper import paper_from_bytes
from embedge.runtime.bundle.signing_keys import new_signing_key


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = enrolled_people(tmp_path_factory.mktemp("made"))
    kinds = "\n".join(f"p{n:03d}\t{'ab'[n % 2]}" for n in range(60))
    (folder / "groups.tsv").write_text(f"NAME\tkind\n{kinds}\n")
    return folder


def dossier(made: Path, *arguments: str) -> int:
    asked = ["dossier", str(made / "door.embedge:int8"), str(made / "faces"), "--threads", "1"]
    return main([*asked, "--groups", str(made / "groups.tsv"), *arguments])


def test_filed_signed_and_measured_again(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_signing_key(tmp_path / "key.pem")
    out = ["--out", str(tmp_path), "--key", str(tmp_path / "key.pem")]
    assert dossier(made, "--fmr", str(FMR), *out) == 0
    said = capsys.readouterr().out
    assert "door int8: FMR" in said
    assert "8 missing" in said
    assert "signed by key" in said
    path = tmp_path / "dossier.json"
    page = (tmp_path / "dossier.html").read_text()
    assert sha256_file(path) in page
    assert "No certification" in page
    assert "FIDO-shaped" in page
    assert "missing" in page
    trust = ["--trust", str(tmp_path / "key.pem.pub")]
    assert dossier(made, "--check", str(path), *trust) == 0


def test_an_edited_verdict_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dossier(made, "--fmr", str(FMR), "--out", str(tmp_path)) == 0
    path = tmp_path / "dossier.json"
    found = paper_from_bytes(Dossier, path.read_bytes())
    assert [one.status for one in found.shaped] == ["not met", "not met"]
    told = json.loads(path.read_text())
    told["shaped"][0]["status"] = "met"
    path.write_text(json.dumps(told))
    assert dossier(made, "--check", str(path)) == 2
    assert "E-PAPER: this is no sound dossier" in capsys.readouterr().err
    told["shaped"][0]["status"] = "not met"
    told["annex"][0]["groups"][0]["people"] += 1
    path.write_text(json.dumps(told))
    assert dossier(made, "--check", str(path)) == 2
    assert "annex[0].groups[0].people" in capsys.readouterr().err


def test_what_its_own_figures_and_command_deny_is_not_signed(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, key = tmp_path / "dossier.json", tmp_path / "key.pem"
    new_signing_key(key)
    monkeypatch.setattr("sys.argv", ["embedge", "dossier", "door.embedge:int8", "faces"])
    assert dossier(made, "--fmr", str(FMR), "--out", str(tmp_path)) == 0
    honest = path.read_text()
    sign = ["sign", "document", str(path), "--key", str(key)]
    assert main(sign) == 0

    def refused(item: str, **said: str) -> dict[str, Any]:
        told = json.loads(path.read_text())
        entry = next(one for one in told["checklist"] if one["item"] == item)
        entry |= said
        path.write_text(json.dumps(told))
        assert main(sign) == 2
        assert f"E-PAPER: its figures or its command do not say what stands under {item}" in (
            capsys.readouterr().err
        )
        return told

    refused("matching", answer="0 false matches, 0 false non-matches")
    path.write_text(honest)
    none = "none is on the list of people trained on"
    told = refused("separation", status="filled", answer=none)
    told["faces"]["trained_on"] = "checked"
    path.write_text(json.dumps(told))
    assert main(sign) == 2
    assert "under trained_on" in capsys.readouterr().err
    told["command"] += " --trained-on list.txt"
    path.write_text(json.dumps(told))
    assert main(sign) == 0


def test_the_same_files_under_other_names_are_the_same(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["dossier", str(made / "teacher.onnx"), str(made / "faces"), "--threads", "1"]
    assert main([*asked, "--fmr", str(FMR), "--out", str(tmp_path)]) == 0
    model, faces = tmp_path / "copy.onnx", tmp_path / "copied"
    shutil.copy(made / "teacher.onnx", model)
    shutil.copytree(made / "faces", faces)
    again = ["dossier", str(model), str(faces), "--check", str(tmp_path / "dossier.json")]
    assert main(again) == 0
    said = "of the same bytes, the name differs (stated → given): teacher → copy, faces → copied"
    assert said in capsys.readouterr().out
    (picture := next(faces.glob("*/*.png"))).write_bytes(picture.read_bytes() + b"0")
    assert main(again) == 2
    assert "E-PAPER-DIFFERS" in capsys.readouterr().err
