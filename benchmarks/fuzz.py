"""Broken input, counted: every case must end in a result or in one error with a code.

    python benchmarks/fuzz.py [--seconds 60] [--atheris] [--targets pictures "gallery files"]

Inputs are broken at random or, with --atheris, by libFuzzer towards new branches (the group
`fuzz`). Each target runs in its own process, so that a crash of a parser is a finding and not the
end. The results of other targets and of the other way are kept.
"""

import argparse
import collections
import importlib
import json
import os
import pkgutil
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz_targets import TARGETS, Target
from provenance import RESULTS, provenance, write_result

_SLOWEST = 30  # seconds for one input, before libFuzzer calls it a hang


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--atheris", action="store_true", help="guided by coverage")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        tried = _guided if options.atheris else _random
        tried(options.targets[0], options.seconds)
        return
    way = "guided" if options.atheris else "random"
    used = provenance("pillow", "onnxruntime", *(["atheris"] if options.atheris else []))
    found = {target: {**_child(target, options), "provenance": used} for target in options.targets}
    before = RESULTS / "fuzz.json"
    written = json.loads(before.read_text()) if before.exists() else {}
    known = {**written.get(way, {}).get("targets", {}), **found}
    targets = {name: known[name] for name in TARGETS if name in known}
    write_result("fuzz", {**written, way: {"targets": targets}})
    print(json.dumps(found, indent=2))


def _child(target: str, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", __file__, "--child", "--targets", target]
    command += ["--seconds", str(options.seconds), *(["--atheris"] if options.atheris else [])]
    with tempfile.TemporaryDirectory() as folder:  # a child may end without tidying up
        home = {**os.environ, "TMPDIR": folder}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=home)
    if done.returncode != 0:
        said = done.stdout[-3000:] + done.stderr[-3000:]  # atheris puts its traceback on stdout
        return {"crashed": done.returncode, "said": said}
    result = dict(json.loads(done.stdout.splitlines()[-1]))
    if covered := re.findall(r"cov: (\d+)", done.stderr):
        result["branches"] = {"first": int(covered[0]), "last": int(covered[-1])}
    return {**result, "seconds": options.seconds}


class _Counted:
    """Attempts and how they ended; whatever is no error with a code goes through."""

    def __init__(self, attempt: Callable[[int, bytes], object]) -> None:
        self._attempt, self._outcomes = attempt, collections.Counter[str]()

    def __call__(self, number: int, data: bytes) -> None:
        from embedge.errors import EmbedgeError

        try:
            self._attempt(number, data)
            self._outcomes["accepted"] += 1
        except EmbedgeError as error:
            self._outcomes[error.code] += 1

    def report(self) -> None:
        counts = dict(self._outcomes.most_common())
        print(json.dumps({"inputs": sum(counts.values()), "outcomes": counts}), flush=True)


def _random(name: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        target = TARGETS[name](Path(folder))
        counted, seed = _Counted(target.attempt), 0
        while time.monotonic() < end:
            dice = random.Random(seed)
            number = dice.randrange(len(target.whole))
            counted(number, _broken(target.whole[number], dice))
            seed += 1
    counted.report()


def _broken(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, often near the beginning, and sometimes the end cut off."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        last = min(len(changed), dice.choice([64, 512, len(changed)]))
        changed[dice.randrange(last)] = dice.randrange(256)
    return bytes(changed[: dice.randrange(len(changed))] if dice.random() < 0.2 else changed)


def _guided(name: str, seconds: float) -> None:
    """An input's first byte chooses the whole one it stands for, so libFuzzer mixes them."""
    import atheris

    with atheris.instrument_imports(include=["embedge", "PIL"]):
        import PIL.Image

        import embedge.runtime

        for found in pkgutil.walk_packages(embedge.runtime.__path__, "embedge.runtime."):
            importlib.import_module(found.name)  # what is imported later is not followed
    with tempfile.TemporaryDirectory() as folder:
        for part in ("target", "corpus", "findings"):
            (Path(folder) / part).mkdir()
        with atheris.instrument_imports(include=["embedge", "PIL"]):
            PIL.Image.init()
            target = TARGETS[name](Path(folder) / "target")
        _fuzz(atheris, target, Path(folder), seconds)


def _fuzz(atheris: Any, target: Target, folder: Path, seconds: float) -> None:
    for number, data in enumerate(target.whole):
        (folder / "corpus" / str(number)).write_bytes(bytes([number]) + data)
    counted, end = _Counted(target.attempt), time.monotonic() + seconds

    def one(data: bytes) -> None:
        if time.monotonic() > end:
            counted.report()
            os._exit(0)  # libFuzzer has no other way out that Python can follow
        if data:
            counted(data[0] % len(target.whole), data[1:])

    longest = 2 * max(map(len, target.whole)) + 64
    flags = ["-seed=1", f"-timeout={_SLOWEST}", f"-max_len={longest}"]
    flags.append(f"-artifact_prefix={folder / 'findings'}/")
    atheris.Setup([sys.argv[0], *flags, str(folder / "corpus")], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
