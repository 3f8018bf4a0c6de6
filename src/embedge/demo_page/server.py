"""The demo page's server: this machine only, no other site may talk to it, nothing is kept."""

import base64
import binascii
import json
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from embedge.demo_page.answers import Comparer
from embedge.errors import EmbedgeError

__all__ = ["DemoServer"]

_HOST = "127.0.0.1"
_LARGEST_BODY = 24 << 20  # two pictures of 9 MB in base64
_MOST_CONNECTIONS = 16  # a thread each
_MOST_COMPARISONS = 2  # at one time, from the first byte of the request: each takes memory
_PATIENCE_S = 10.0  # how long a request waits for its turn
_UPLOAD_S = 30.0  # how long it may take to arrive
_CHUNK = 1 << 16
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}


class DemoServer(ThreadingHTTPServer):
    """Serves until `shutdown`; a port of 0 takes any that is free.

    Connections and comparisons at one time are bounded, and with them threads and memory.
    """

    daemon_threads = True

    def __init__(self, comparer: Comparer, port: int = 0) -> None:
        self.comparer = comparer
        self.turn = threading.BoundedSemaphore(_MOST_COMPARISONS)
        self._connections = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        try:
            super().__init__((_HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or "a port is a number from 0 to 65535"
            raise EmbedgeError(
                "E-PORT",
                f"cannot listen on port {port}: {why}",
                remedy="Choose another with --port, or 0 for any",
            ) from error

    def verify_request(self, *_: Any) -> bool:
        """A connection too many is closed at once; a browser tries again."""
        return self._connections.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, *request: Any) -> None:
        """Whoever hangs up in the middle is nobody's error; anything else is shown."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            super().handle_error(*request)

    @property
    def address(self) -> str:
        return f"http://{_HOST}:{self.server_port}/"

    def names(self) -> set[str]:
        """The Host headers of somebody who means this server; another name is an attack."""
        return {f"{host}:{self.server_port}" for host in (_HOST, "localhost")}


class _Handler(BaseHTTPRequestHandler):
    server: DemoServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        if not self._is_meant() or self.path not in _PAGES:
            self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")
            return
        name, kind = _PAGES[self.path]
        self._send(HTTPStatus.OK, files("embedge.demo_page").joinpath(name).read_bytes(), kind)

    def do_POST(self) -> None:
        origin = self.headers.get("Origin", "")
        ours = origin.removeprefix("http://") in self.server.names()
        if not self._is_meant() or not ours or self.path != "/compare":
            self._refuse(HTTPStatus.FORBIDDEN, "E-REQUEST", "only the demo page may ask")
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length[:12]) > _LARGEST_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "E-REQUEST", "too large a request")
            return
        if not self.server.turn.acquire(timeout=_PATIENCE_S):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "E-REQUEST", "others are being compared")
            return
        try:
            self._compare(int(length))
        finally:
            self.server.turn.release()

    def _compare(self, length: int) -> None:
        try:
            pictures = json.loads(self._body(length))
            a, b = (base64.b64decode(pictures[name], validate=True) for name in "ab")
            del pictures
        except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
            self._refuse(HTTPStatus.BAD_REQUEST, "E-REQUEST", "the request is not two pictures")
            return
        except TimeoutError:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "E-REQUEST", "the request arrives too slowly")
            return
        try:
            self._json(HTTPStatus.OK, self.server.comparer.answer(a, b))
        except EmbedgeError as error:
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, error.code, str(error))

    def _body(self, length: int) -> bytes:
        """All of it within `_UPLOAD_S`: a byte now and then would keep a turn for ever."""
        end = time.monotonic() + _UPLOAD_S
        body = bytearray()
        while len(body) < length:
            self.connection.settimeout(max(end - time.monotonic(), 0.001))
            piece = self.rfile.read1(min(length - len(body), _CHUNK))
            if not piece:
                raise ValueError("it is cut short")
            body += piece
        self.connection.settimeout(self.timeout)
        return bytes(body)

    def _is_meant(self) -> bool:
        return self.headers.get("Host") in self.server.names()

    def _refuse(self, status: HTTPStatus, code: str, what: str) -> None:
        self.close_connection = True
        self._json(status, {"error": {"code": code, "what": what}})

    def _json(self, status: HTTPStatus, value: dict[str, Any]) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "embedge"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Who looked at what stays unwritten."""
