"""embedge sign as a user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image
from sample_report import sample_report
from tiny_bundles import face_like, tiny_bundle

from embedge.typed import plain


def embedge(*arguments: object, password: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "embedge", "sign", *map(str, arguments)]
    environment = {**os.environ, "EMBEDGE_SIGNING_PASSWORD": password}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def test_the_whole_way(tmp_path: Path) -> None:
    bundle, key = tiny_bundle(tmp_path / "tiny.embedge"), tmp_path / "key.pem"
    made = embedge("new-key", key, password="secret")
    assert made.returncode == 0, made.stderr
    assert "secret" not in made.stdout
    signed = embedge("bundle", bundle, "--key", key, password="secret")
    assert signed.returncode == 0, signed.stderr
    checked = embedge("check", bundle, "--trust", f"{key}.pub")
    assert checked.returncode == 0, checked.stderr
    assert signed.stdout.split()[-1] in checked.stdout
    assert embedge("new-key", tmp_path / "stranger.pem").returncode == 0
    refused = embedge("check", bundle, "--trust", tmp_path / "stranger.pem.pub")
    assert refused.returncode == 2
    assert refused.stderr.startswith("embedge: E-SIGNATURE: ")
    assert len(refused.stderr.splitlines()) == 1


def test_a_matcher_that_asks_for_a_signature_gets_one_or_refuses(tmp_path: Path) -> None:
    bundle, key = tiny_bundle(tmp_path / "tiny.embedge"), tmp_path / "key.pem"
    embedge("new-key", key)
    picture = tmp_path / "a.png"
    Image.fromarray(face_like(1)).save(picture)
    arguments = ["verify", bundle, picture, picture, "--trust", f"{key}.pub"]
    command = [sys.executable, "-m", "embedge", *map(str, arguments)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert (
        "E-SIGNATURE: the bundle tiny.embedge is not vouched for: it is not signed"
        in refused.stderr
    )
    embedge("bundle", bundle, "--key", key)
    decided = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert decided.returncode == 0, decided.stderr
    assert decided.stdout.startswith("MATCH")


def test_the_summary_names_the_key_of_the_bundle_that_holds_the_report(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps(plain(sample_report(pictures=False))))
    key, page = tmp_path / "key.pem", tmp_path / "summary.html"
    embedge("new-key", key)
    bundle = tiny_bundle(tmp_path / "tiny.embedge", files={"report.json": report.read_bytes()})
    signed = embedge("bundle", bundle, "--key", key)
    command = [sys.executable, "-m", "embedge", "report", "summary", str(report)]
    command += ["--out", str(page), "--bundle", str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    key_id = signed.stdout.split()[-1]
    assert key_id in page.read_text()
    assert "whose key it is was not checked" in page.read_text()
    command += ["--trust", f"{key}.pub"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    assert "was not checked" not in page.read_text()
    report.write_text(report.read_text() + " ")
    foreign = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert foreign.returncode == 2
    assert "E-REPORT-FOREIGN" in foreign.stderr


def test_a_version_counts_up_and_a_reader_may_ask_for_it(tmp_path: Path) -> None:
    bundle, key = tiny_bundle(tmp_path / "tiny.embedge"), tmp_path / "key.pem"
    embedge("new-key", key)
    dated = ("--version", 3, "--expires", "2099-12-31")
    assert embedge("bundle", bundle, "--key", key, *dated).returncode == 0
    check = ("check", bundle, "--trust", f"{key}.pub", "--at-least-version")
    assert "version 3, until 2099-12-31" in embedge(*check, 3).stdout
    assert embedge(*check, 4).stderr.startswith("embedge: E-BUNDLE-OLD: ")
    older = embedge("bundle", bundle, "--key", key, "--version", 2)
    assert older.stderr.startswith("embedge: E-SIGN: ")
    assert embedge("bundle", bundle, "--key", key, "--expires", "2020-01-01").returncode == 0
    assert embedge(*check, 3).stderr.startswith("embedge: E-BUNDLE-EXPIRED: ")
