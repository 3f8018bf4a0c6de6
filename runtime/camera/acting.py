"""What is done when something was decided: a command, a web address; frames never wait for it."""

import json
import os
import queue
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence

from embedge.errors import EmbedgeError
from embedge.runtime.camera.decisions import Event
from embedge.runtime.closing import Closing

__all__ = ["Acting", "by_command", "by_webhook"]

Act = Callable[[Event], None]

_WAITING = 64
_SECONDS = 10.0


def by_command(command: Sequence[str], *, seconds: float = _SECONDS) -> Act:
    """Run a program, no shell between; the event is JSON on its standard input."""
    if not command:
        raise EmbedgeError("E-OPTION", "the command is empty", remedy="Name a program to run")

    def act(event: Event) -> None:
        named = {"EMBEDGE_EVENT": event.kind, "EMBEDGE_PERSON": event.person or ""}
        try:
            done = subprocess.run(
                command,
                input=json.dumps(event.to_json()).encode(),
                env={**os.environ, **named},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=seconds,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise _failed(f"{command[0]}: {error}") from error
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise _failed(f"{command[0]} ended with {done.returncode}: {''.join(last)}")

    return act


def by_webhook(url: str, *, seconds: float = _SECONDS) -> Act:
    """POST the event as JSON; this is a network call, made because the address was given."""
    if not url.startswith(("http://", "https://")):
        raise EmbedgeError(
            "E-OPTION", f"'{url}' is no web address", remedy="Give http://… or https://…"
        )

    def act(event: Event) -> None:
        request = urllib.request.Request(
            url,
            json.dumps(event.to_json()).encode(),
            {"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds):
                pass
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise _failed(f"{url}: {error}") from error

    return act


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
                    self._tell(error)
