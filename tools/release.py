"""Everything a release is made of, in dist/: `python tools/release.py`.

Both wheels and the source archive, each built twice and equal to the byte; the base install's bill
of materials (CycloneDX), taken from an environment with nothing else in it; their SHA-256 sums.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
DISTRIBUTIONS = {HERE: ("sdist", "wheel"), HERE / "distributions" / "runtime": ("wheel",)}


def main() -> int:
    dist = HERE / "dist"
    with tempfile.TemporaryDirectory() as name:
        first, second = Path(name, "first"), Path(name, "second")
        differing = unequal(built(first), built(second))
        if differing:
            print(f"not reproducible: {', '.join(differing)}", file=sys.stderr)
            return 1
        dist.mkdir(exist_ok=True)
        made = [Path(shutil.copy(path, dist)) for path in sorted(first.iterdir())]
        made.append(bill_of_materials(dist, Path(name, "bare")))
    (dist / "SHA256SUMS").write_text(sums(made))
    print((dist / "SHA256SUMS").read_text(), end="")
    return 0


def built(folder: Path) -> Path:
    """Both distributions, dated by the commit so that the same tree is the same file."""
    dated = {**os.environ, "SOURCE_DATE_EPOCH": _commit_time()}
    for home, targets in DISTRIBUTIONS.items():
        for target in targets:
            command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
            subprocess.run(command, cwd=home, check=True, env=dated, capture_output=True)
    return folder


def unequal(one: Path, other: Path) -> list[str]:
    """The files of one folder that the other lacks or has with other bytes."""
    return [
        path.name
        for path in sorted(one.iterdir())
        if not (other / path.name).is_file()
        or path.read_bytes() != (other / path.name).read_bytes()
    ]


def bill_of_materials(dist: Path, bare: Path) -> Path:
    """What `pip install embedge-runtime` brings along, by name, version and licence."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    python, bill = str(bare / "bin" / "python"), dist / "embedge-runtime.cdx.json"
    pinned = ["--constraint", str(HERE / "constraints.txt"), "--find-links", str(dist)]
    _module("pip", "--python", python, "install", "--quiet", *pinned, "embedge-runtime")
    ours = ["--pyproject", str(HERE / "distributions" / "runtime" / "pyproject.toml")]
    told = ["--output-reproducible", "--output-format", "JSON", "--output-file", str(bill)]
    _module("cyclonedx_py", "environment", *ours, *told, python)
    return bill


def sums(paths: Iterable[Path]) -> str:
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths
    )


def _module(*command: str) -> None:
    subprocess.run([sys.executable, "-m", *command], check=True)


def _commit_time() -> str:
    command = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    return done.stdout.strip() or "1580601600"  # a source archive has no history


if __name__ == "__main__":
    sys.exit(main())
