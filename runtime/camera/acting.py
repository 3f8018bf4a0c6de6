"""What is done when something was decided: a command, a web address; frames never wait for it."""

import json
import os
import queue
import shlex
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO
from urllib.parse import urlsplit

from embedge.errors import EmbedgeError
from embedge.runtime.camera.decisions import Event
from embedge.runtime.closing import Closing

__all__ = ["Acting", "by_command", "by_webhook"]

Act = Callable[[Event], None]

_WAITING = 64
_SECONDS = 10.0
_LAST_WORDS = 4096


def by_command(command: str | Sequence[str], *, seconds: float = _SECONDS) -> Act:
    """Run a program, no shell between; the event is JSON on its standard input."""
    words = _words(command) if isinstance(command, str) else list(command)
    if not words:
        raise _no_command("the command is empty")

    def act(event: Event) -> None:
        named = {"EMBEDGE_EVENT": event.kind, "EMBEDGE_PERSON": event.person or ""}
        # a file, no pipe: what the program leaves in the background may hold a pipe open for ever
        with tempfile.TemporaryFile() as told:
            done = subprocess.run(
                words,
                input=json.dumps(event.to_json()).encode(),
                env={**os.environ, **named},
                stdout=subprocess.DEVNULL,
                stderr=told,
                timeout=seconds,
                check=False,
            )
            if done.returncode:
                raise _failed(f"{words[0]} ended with {done.returncode}: {_last_line(told)}")

    return _telling(act, words[0])


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise _no_command(f"the command {command!r} cannot be read: {error}") from error


def _no_command(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-OPTION", f"--run: {what}", remedy="Name a program to run; quote as a shell is quoted to"
    )


def _last_line(told: IO[bytes]) -> str:
    told.seek(max(0, told.seek(0, os.SEEK_END) - _LAST_WORDS))
    return "".join(told.read(_LAST_WORDS).decode(errors="replace").strip().splitlines()[-1:])


def by_webhook(url: str, *, seconds: float = _SECONDS) -> Act:
    """POST the event as JSON; this is a network call, made because the address was given."""
    _require_address(url)

    def act(event: Event) -> None:
        request = urllib.request.Request(
            url,
            json.dumps(event.to_json()).encode(),
            {"Content-Type": "application/json"},
            method="POST",
        )
        urllib.request.urlopen(request, timeout=seconds).close()

    return _telling(act, url)


def _require_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a ValueError where it is none
    except ValueError as error:
        raise _no_address(url, str(error)) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _no_address(url, "it names no host to send to by http or https")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _no_address(url, "it has letters that an address writes as %20 and the like")


def _no_address(url: str, why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-OPTION",
        f"--webhook: {url!r} is no web address: {why}",
        remedy="Give http://… or https://…",
    )


def _telling(act: Act, name: str) -> Act:
    """Whatever goes wrong is the act's failure, with the act's name."""

    def told(event: Event) -> None:
        try:
            act(event)
        except EmbedgeError:
            raise
        except Exception as error:  # a server may answer anything, and each layer raises its own
            raise _failed(f"{name}: {str(error) or type(error).__name__:.200}") from error

    return told


def _failed(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-ACTION",
        f"an event was not acted on: {what}",
        remedy="Try the command or address by hand; watching goes on",
    )


class Acting(Closing):
    """Acts one after the other in a thread of its own; failures are told, not raised."""

    def __init__(self, acts: Sequence[Act], tell: Callable[[EmbedgeError], None]) -> None:
        self._acts, self._tell = tuple(acts), tell
        self._events: queue.Queue[Event | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, name="acting", daemon=True)
        self._thread.start()

    def on(self, event: Event) -> None:
        """Queue it; where acts are slower than events, what does not fit is told as not done."""
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._tell(_failed(f"{_WAITING} events are waiting already"))

    def close(self) -> None:
        """What was queued is still done."""
        if self._thread.is_alive():
            self._events.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (event := self._events.get()) is not None:
            for act in self._acts:
                try:
                    act(event)
                except EmbedgeError as error:
                    self._told(error)
                except Exception as error:  # somebody's own act; those after it are still done
                    self._told(_failed(f"{type(error).__name__}: {error}"))

    def _told(self, error: EmbedgeError) -> None:
        with suppress(OSError, ValueError):  # an output that nobody reads any more
            self._tell(error)
