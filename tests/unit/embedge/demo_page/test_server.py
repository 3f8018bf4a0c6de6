"""The demo page's budget: bytes, pixels, connections, comparisons and seconds are bounded."""

import base64
import http.client
import io
import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embedge.demo_page import server as module
from embedge.demo_page.answers import MAX_PIXELS, Comparer
from embedge.demo_page.server import DemoServer
from embedge.errors import EmbedgeError


class Slow:
    """Answers when it is told to, and counts how many it answers at one time."""

    def __init__(self) -> None:
        self.go, self.now, self.most = threading.Event(), 0, 0

    def answer(self, a: bytes, b: bytes) -> dict[str, Any]:
        self.now += 1
        self.most = max(self.most, self.now)
        assert self.go.wait(20)
        self.now -= 1
        return {"lengths": [len(a), len(b)]}


@pytest.fixture
def comparer() -> Slow:
    return Slow()


@pytest.fixture
def server(comparer: Slow) -> Iterator[DemoServer]:
    with DemoServer(comparer) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        comparer.go.set()
        server.shutdown()
        thread.join()


def ask(server: DemoServer, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    host = f"127.0.0.1:{server.server_port}"
    sent = {"Host": host, "Origin": f"http://{host}", **headers}
    connection.request("POST", "/compare", body, sent)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    return answer.status, told


def body(*pictures: bytes) -> bytes:
    return json.dumps(
        {name: base64.b64encode(data).decode() for name, data in zip("ab", pictures)}
    ).encode()


def test_so_many_are_compared_at_one_time_and_no_more(
    server: DemoServer, comparer: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.3)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(server, body(b"1", b"22"))[0]))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads[:4]:
        thread.join(2)
    comparer.go.set()
    for thread in threads:
        thread.join(20)
    assert comparer.most == 2
    assert sorted(answers) == [200, 200, 503, 503, 503, 503]
    assert ask(server, body(b"1", b"22")) == (200, {"lengths": [1, 2]})


def test_a_connection_too_many_is_closed_and_a_thread_is_not_kept(server: DemoServer) -> None:
    held = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(40)]
    held[-1].settimeout(10)
    assert held[-1].recv(1) == b""
    assert threading.active_count() < 30
    for one in held:
        one.close()


@pytest.mark.parametrize("length", ["99999999", "1" * 5000, "-1", "²", ""])
def test_a_body_too_large_is_refused_unread(server: DemoServer, length: str) -> None:
    text = f"POST /compare HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n"
    text += f"Origin: http://127.0.0.1:{server.server_port}\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as client:
        client.sendall(text.encode("latin-1"))
        assert b" 413 " in client.recv(4096)


def test_an_upload_that_drips_gives_its_turn_back(
    server: DemoServer, comparer: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_UPLOAD_S", 0.3)
    comparer.go.set()
    text = f"POST /compare HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n"
    text += f"Origin: http://127.0.0.1:{server.server_port}\r\nContent-Length: 1000\r\n\r\n{{"
    dripping = [
        socket.create_connection(("127.0.0.1", server.server_port), timeout=10) for _ in "12"
    ]
    for client in dripping:
        client.sendall(text.encode())
    for client in dripping:
        assert b" 408 " in client.recv(4096)
        client.close()
    assert ask(server, body(b"1", b"22"))[0] == 200


def test_a_picture_of_too_many_pixels_is_not_decoded() -> None:
    side = int(MAX_PIXELS**0.5) + 1
    stream = io.BytesIO()
    Image.fromarray(np.zeros((side, side), np.uint8)).save(stream, "PNG")
    answer = Comparer(None, None).answer(stream.getvalue(), b"")  # type: ignore[arg-type]
    assert answer["pictures"][0]["error"]["code"] == "E-IMAGE-SIZE"
    assert re.search("16 megapixels", answer["pictures"][0]["error"]["what"])


@pytest.mark.parametrize("port", [99999, -1])
def test_a_port_that_cannot_be_is_a_sentence(port: int) -> None:
    with pytest.raises(EmbedgeError, match=r"E-PORT.*0 to 65535"):
        DemoServer(None, port)  # type: ignore[arg-type]
