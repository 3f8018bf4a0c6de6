"""The demo page: in a real browser, and against those who should not reach it."""

import base64
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from browser import chromium
from PIL import Image
from sample_report import sample_report
from tiny_bundles import face_like, tiny_bundle
from tiny_detectors import constant_onnx, yunet_outputs

from embedge.runtime.contract import ARCFACE_112
from embedge.typed import plain


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a detector that finds the face planted in every scene, and pictures."""
    folder = tmp_path_factory.mktemp("demo")
    box = np.array([8.0, 8.0, 120.0, 120.0])
    planted = (box, np.array(ARCFACE_112) + 8, 0.9)
    tiny_bundle(
        folder / "tiny.embedge",
        files={
            "detector.onnx": constant_onnx(yunet_outputs([planted])),
            "report.json": json.dumps(plain(sample_report(pictures=False))).encode(),
        },
        extras={"detector": {"file": "detector.onnx"}},
    )
    for seed in (1, 2):
        Image.fromarray(face_like(seed, 256)).save(folder / f"{seed}.png")
    (folder / "note.png").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[tuple[str, int]]:
    server = subprocess.Popen(
        [sys.executable, "-m", "embedge", "demo-page", "tiny.embedge", "--port", "0"],
        cwd=place,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert server.stdout is not None
    said = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())
    assert said is not None
    yield said[0], server.pid
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 130
    server.stdout.close()


@pytest.fixture(scope="module")
def address(served: tuple[str, int]) -> str:
    return served[0]


@pytest.fixture(scope="module")
def server_pid(served: tuple[str, int]) -> int:
    return served[1]


def ask(address: str, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    host = address.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    sent = {"Host": host, **{name.replace("_", "-"): text for name, text in headers.items()}}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


@pytest.mark.skipif(chromium() is None, reason="no Chromium here (apt: chromium)")
def test_a_person_compares_two_pictures(place: Path, address: str, tmp_path: Path) -> None:
    pytest.importorskip("websocket", reason="needs the dev extra (websocket-client)")
    from devtools import Browser

    with Browser(tmp_path / "profile") as browser:
        browser.go(address)
        browser.choose("#file-a", place / "1.png")
        browser.drop("#drop-b", place / "1.png")
        browser.until("!!document.querySelector('#result h2')")
        assert browser.run("document.querySelector('#result h2').textContent") == "MATCH"
        text = browser.run("document.querySelector('#result').innerText")
        assert "1.0000" in text
        assert "0.3000 (accept strictly above)" in text
        assert "10,000,000 impostor pairs of 4,500 subjects" in text
        assert "of strangers would match" in text
        assert browser.run("document.querySelectorAll('.box').length") == 2
        assert browser.run("document.querySelectorAll('.landmark').length") == 10
        assert browser.run("document.querySelectorAll('svg.curve path').length") == 2
        assert browser.run("[...document.images].every(i => i.naturalWidth > 0)")
        assert browser.run("document.querySelector('.crop img').naturalWidth") == 112
        browser.drop("#drop-b", place / "2.png")
        browser.until("document.querySelector('#result h2')?.textContent === 'NO MATCH'")
        browser.drop("#drop-b", place / "note.png")
        browser.until("!!document.querySelector('#drop-b .error')")
        assert "E-IMAGE" in browser.run("document.querySelector('#drop-b .error').textContent")
        assert browser.run("document.querySelector('#result').textContent") == "no decision"
        assert browser.console == []
        foreign = [url for url in browser.requests if not url.startswith((address, "data:"))]
        assert foreign == ["about:blank"] or foreign == []


def test_only_the_page_itself_may_ask(address: str) -> None:
    body = json.dumps({"a": "", "b": ""}).encode()
    own = address.rstrip("/")
    assert ask(address, "POST", "/compare", body, Origin=own)[0] == 200
    assert ask(address, "POST", "/compare", body)[0] == 403
    assert ask(address, "POST", "/compare", body, Origin="http://evil.example")[0] == 403
    assert ask(address, "POST", "/compare", body, Origin=own, Host="evil.example")[0] == 403
    assert ask(address, "GET", "/", Host="evil.example")[0] == 404
    assert ask(address, "GET", "/../server.py")[0] == 404
    assert ask(address, "POST", "/compare", b"", Origin=own, Content_Length="99999999999")[0] == 413
    for broken in (b"", b"{}", b"[]", b'{"a": 1, "b": 2}', b'{"a": "*", "b": "*"}', b"[" * 9999):
        status, text = ask(address, "POST", "/compare", broken, Origin=own)
        assert status == 400
        assert json.loads(text)["error"]["code"] == "E-REQUEST"


def test_uploads_at_one_time_take_a_bounded_memory(address: str, server_pid: int) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((3990, 4000), np.uint16)).save(stream, "PNG")
    picture = base64.b64encode(stream.getvalue()).decode()
    body = json.dumps({"a": picture, "b": picture}).encode()
    assert len(body) < 300_000
    before = peak_bytes(server_pid)
    with ThreadPoolExecutor(6) as pool:
        asked = [
            pool.submit(ask, address, "POST", "/compare", body, Origin=address.rstrip("/"))
            for _ in range(6)
        ]
        statuses = [each.result()[0] for each in asked]
    assert set(statuses) <= {200, 503}
    assert 200 in statuses
    assert peak_bytes(server_pid) - before < 600 << 20


def peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s*(\d+)", status)[1])  # type: ignore[index]


def test_a_taken_port_is_a_sentence(address: str, place: Path) -> None:
    port = address.rpartition(":")[2].rstrip("/")
    done = subprocess.run(
        [sys.executable, "-m", "embedge", "demo-page", "tiny.embedge", "--port", port],
        cwd=place,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("embedge: E-PORT: ")
