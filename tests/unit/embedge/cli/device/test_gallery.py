import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from embedge.cli import main


def test_what_it_holds_is_told_alike_as_text_and_as_json(
    gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gallery", "info", str(gallery), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["people"], facts["templates"], facts["dim"]) == (2, 2, 64)
    assert main(["gallery", "info", str(gallery)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert dict(line.split(maxsplit=1) for line in lines) == {
        name: str(value) for name, value in facts.items()
    }


def test_a_check_ends_with_3_where_a_template_does_not_open(
    gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gallery", "check", str(gallery), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"whole": True, "found": []}
    with closing(sqlite3.connect(gallery)) as database, database:
        database.execute("UPDATE record SET sealed = zeroblob(length(sealed)) WHERE id = 1")
    assert main(["gallery", "check", str(gallery), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["found"]


def test_a_new_key_that_is_none_leaves_the_gallery_alone(
    gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = gallery.read_bytes()
    assert main(["gallery", "renew", str(gallery), "--new-key-file", "absent"]) == 2
    assert "E-KEY" in capsys.readouterr().err
    assert gallery.read_bytes() == before


def test_a_recovery_ends_with_3_and_names_who_was_erased_and_put_back(
    gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old", tmp_path / "saved"
    old.write_bytes(gallery.read_bytes())
    assert main(["gallery", "people", str(gallery), "--json"]) == 0
    name, stays = json.loads(capsys.readouterr().out)
    assert main(["erase", str(gallery), name]) == 0
    with closing(sqlite3.connect(gallery)) as database:
        database.execute("ATTACH ? AS old", (str(old),))
        for table in ("person", "record"):
            database.execute(f"INSERT OR IGNORE INTO {table} SELECT * FROM old.{table}")
        database.commit()
    capsys.readouterr()
    assert main(["gallery", "recover", str(gallery), str(new)]) == 3
    assert f"left out, as they were erased and put back: {name}" in capsys.readouterr().out
    assert main(["gallery", "people", str(new), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [stays]


def test_a_renewal_tells_what_changed(gallery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery", "info", str(gallery), "--json"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert main(["gallery", "renew", str(gallery), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["gallery"], told["old_epoch"]) == (before["gallery"], before["epoch"])
    assert told["epoch"] != told["old_epoch"]
    assert main(["gallery", "renew", str(gallery)]) == 0
    assert f"epoch {told['epoch']} → " in capsys.readouterr().out
