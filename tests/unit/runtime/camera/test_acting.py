import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.camera.acting import Acting, by_command, by_webhook
from embedge.runtime.camera.decisions import Event

EVENT = Event("person", "ann; rm -rf /", 0.7, 1.0, 0, 3, (0.0, 0.0, 9.0, 9.0))


def test_a_command_reads_the_event_and_no_shell_does(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    code = (
        "import json, os, pathlib, sys;"
        "told = json.load(sys.stdin) | {'env': os.environ['EMBEDGE_PERSON']};"
        "pathlib.Path(sys.argv[1]).write_text(json.dumps(told))"
    )
    by_command([sys.executable, "-c", code, str(out)])(EVENT)
    told = json.loads(out.read_text())
    assert told.pop("env") == "ann; rm -rf /"
    assert told == EVENT.to_json()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["no-such-program-anywhere"], "No such file"),
        (
            [sys.executable, "-c", "raise SystemExit('the door jams')"],
            "ended with 1: the door jams",
        ),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "timed out"),
    ],
)
def test_a_command_that_fails_is_told(command: list[str], why: str) -> None:
    with pytest.raises(EmbedgeError, match=f"E-ACTION.*{why}"):
        by_command(command, seconds=1.5)(EVENT)


class Receiver(BaseHTTPRequestHandler):
    got: ClassVar[list[dict[str, object]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.got.append(json.loads(body))
        self.send_response(500 if self.path == "/broken" else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def address() -> Iterator[str]:
    Receiver.got.clear()
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_webhook_gets_the_event(address: str) -> None:
    by_webhook(f"{address}/door")(EVENT)
    assert Receiver.got == [EVENT.to_json()]
    with pytest.raises(EmbedgeError, match=r"E-ACTION.*500"):
        by_webhook(f"{address}/broken")(EVENT)
    with pytest.raises(EmbedgeError, match="E-OPTION"):
        by_webhook("file:///etc/passwd")


def test_acts_never_hold_up_who_watches() -> None:
    release = threading.Event()
    done: list[int] = []
    failures: list[EmbedgeError] = []

    def slow(event: Event) -> None:
        release.wait(10)
        done.append(event.track)

    def broken(event: Event) -> None:
        raise EmbedgeError("E-ACTION", "broken", remedy="Mend it")

    acting = Acting([slow, broken], failures.append)
    for number in range(80):
        acting.on(Event("stranger", None, None, 0.0, number, 1, EVENT.box))
    overflow = len(failures)
    assert 80 - 66 <= overflow <= 80 - 64  # one is being worked on, 64 wait
    release.set()
    acting.close()
    assert done == list(range(80 - overflow))
    assert len(failures) == 80


@pytest.mark.parametrize("command", [[], "", "it's", 'say "'])
def test_what_is_no_command_is_refused_at_the_start(command: str | list[str]) -> None:
    with pytest.raises(EmbedgeError, match="E-OPTION: --run"):
        by_command(command)


@pytest.mark.parametrize(
    "url",
    ["http://a b/", "http://[bad", "http://", "http://door:99999/", "http://é/", "http://a/\n"],
)
def test_what_is_no_address_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(EmbedgeError, match="E-OPTION: --webhook"):
        by_webhook(url)


@pytest.fixture
def babbler() -> Iterator[str]:
    """A server that answers what is no HTTP."""

    def babble() -> None:
        while True:
            try:
                asked, _ = listening.accept()
            except OSError:
                return
            with asked:
                asked.recv(65536)
                asked.sendall(b"who is there?\r\n\r\n")

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=babble, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def test_no_answer_ends_what_acts(babbler: str) -> None:
    done: list[int] = []
    failures: list[EmbedgeError] = []

    def own(event: Event) -> None:
        raise KeyError(event.track)

    with Acting(
        [by_webhook(babbler), own, lambda one: done.append(one.track)], failures.append
    ) as acting:
        for track in range(3):
            acting.on(Event("stranger", None, None, 0.0, track, 1, EVENT.box))
    assert done == [0, 1, 2]
    assert [error.code for error in failures] == ["E-ACTION"] * 6
    assert babbler in failures[0].what
    assert "KeyError" in failures[1].what


def test_failures_that_nobody_reads_end_nothing() -> None:
    done: list[int] = []

    def closed(error: EmbedgeError) -> None:
        raise BrokenPipeError

    with Acting(
        [by_command(["no-such-program"]), lambda one: done.append(one.track)], closed
    ) as acting:
        for _ in range(2):
            acting.on(EVENT)
    assert done == [0, 0]


def test_what_a_command_leaves_running_is_not_waited_for() -> None:
    leaves = "import subprocess, sys; subprocess.Popen(['sleep', '4'])"
    began = time.monotonic()
    by_command([sys.executable, "-c", leaves], seconds=3.0)(EVENT)
    with pytest.raises(EmbedgeError, match="ended with 1: jammed"):
        by_command([sys.executable, "-c", f"{leaves}; sys.exit('jammed')"], seconds=3.0)(EVENT)
    assert time.monotonic() - began < 6
