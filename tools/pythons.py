"""The base install under every supported Python found here: `python tools/pythons.py [3.12 3.13]`.

Each gets a fresh environment without torch and onnx, imports every module of the rooms that promise
to do without them, and runs what a device and a gate run. A Python that is not here is skipped,
with the reason.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13")

Command = Sequence[str | Path]

sys.path.insert(0, str(HERE / "tests" / "support"))

IMPORT_ALL = """
import importlib, pkgutil, sys
from embedge import calibration, cli, report, runtime
for room in (runtime, calibration, report, cli):
    found = pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
    names = [importlib.import_module(one.name).__name__ for one in found]
    assert len(names) > 30, names
for room in (runtime, calibration):
    for name in room.__all__:
        getattr(room, name)
assert not {"torch", "onnx", "pydantic", "jinja2", "matplotlib", "yaml"} & set(sys.modules)
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    version: str
    said: str
    wrong: bool = False


def interpreter(version: str) -> Path | None:
    """One that really runs: a pyenv shim of an inactive version is found but does not."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in [f"python{version}", *map(str, pyenv)]:
        try:
            done = _run([candidate, "-c", "import sys; print(sys.executable)"])
        except OSError:
            continue
        if done.returncode == 0:
            return Path(done.stdout.strip())
    return None


def tried(version: str, folder: Path) -> Outcome:
    python = interpreter(version)
    if python is None:
        return Outcome(version, f"skipped: no python{version} here")
    for step, command in _steps(python, folder):
        done = _run(command)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            return Outcome(version, f"{step} failed: {said[-2000:]}", wrong=True)
    return Outcome(version, "installs, imports and runs")


def _steps(python: Path, folder: Path) -> Iterator[tuple[str, Command]]:
    binaries = folder / "venv" / "bin"
    inside, embedge = binaries / "python", binaries / "embedge"
    bundle, pictures = _made(folder)
    report, policy = _judged(folder)
    constraints = HERE / "constraints.txt"
    yield "python -m venv", [python, "-m", "venv", folder / "venv"]
    install: Command = [inside, "-m", "pip", "install", "--quiet", "-c", constraints, HERE]
    yield "pip install embedge", install
    yield "importing the rooms", [inside, "-c", IMPORT_ALL]
    yield "embedge --help", [embedge, "--help"]
    yield "embedge doctor", [embedge, "doctor"]
    verify: Command = [embedge, "verify", bundle, *pictures]
    yield "embedge verify", verify
    yield "embedge gate", [embedge, "gate", report, "--policy", policy]
    yield "embedge report diff", [embedge, "report", "diff", report, report, "--fail"]


def _made(folder: Path) -> tuple[Path, list[Path]]:
    """A bundle and two crops, by this Python, which has what it takes."""
    from PIL import Image
    from tiny_bundles import face_like, tiny_bundle

    pictures = [folder / f"{seed}.png" for seed in (1, 2)]
    for seed, path in enumerate(pictures):
        Image.fromarray(face_like(seed)).save(path)
    return tiny_bundle(folder / "tiny.embedge"), pictures


def _judged(folder: Path) -> tuple[Path, Path]:
    """A report by the product's own builder, and a policy that it keeps."""
    from sample_report import sample_report

    from embedge.report.write import write_figures

    policy = folder / "policy.json"
    policy.write_text(json.dumps({"policy": "embedge.policy/2", "gates": "none"}))
    return write_figures(sample_report(), folder), policy


def _run(command: Command) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=900, cwd="/")


def main(arguments: list[str]) -> int:
    wrong = 0
    for version in arguments or VERSIONS:
        with tempfile.TemporaryDirectory() as folder:
            outcome = tried(version, Path(folder))
        print(f"Python {outcome.version}: {outcome.said}", flush=True)
        wrong += outcome.wrong
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
