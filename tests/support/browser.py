"""Visit a page with a real headless Chromium: its console, its requests, its DOM, its print."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--v=0",
)
WINDOW = "--window-size=1600,1000"


def chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass(frozen=True)
class Visit:
    dom: str
    console: list[str]
    requests: list[str]


def visit(page: Path, work: Path, *, dark: bool = False) -> Visit:
    """Load a page in a fresh profile; only requests that the page itself caused are told."""
    log = work / "net.json"
    done = _run(
        work,
        dark,
        f"--log-net-log={log}",
        "--virtual-time-budget=3000",
        "--dump-dom",
        page.as_uri(),
    )
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return Visit(done.stdout, console, _requests(log))


def print_pdf(page: Path, work: Path) -> bytes:
    target = work / "print.pdf"
    _run(work, False, f"--print-to-pdf={target}", "--no-pdf-header-footer", page.as_uri())
    return target.read_bytes()


def _run(work: Path, dark: bool, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = chromium()
    assert program is not None
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    profile = work / "profile"
    done = subprocess.run(
        [program, *FLAGS, scheme, WINDOW, f"--user-data-dir={profile}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    shutil.rmtree(profile, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    return done


def _requests(log: Path) -> list[str]:
    """Addresses asked for; the browser's own housekeeping has no origin and is left out."""
    events = json.loads(log.read_text())["events"]
    params = [event.get("params", {}) for event in events]
    return [
        one["url"] for one in params if one.get("initiator", "not an origin") != "not an origin"
    ]
