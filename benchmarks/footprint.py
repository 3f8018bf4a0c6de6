"""The device install: megabytes, import time, seconds to the first decision.

    python benchmarks/footprint.py BUNDLE

Builds the wheel of `embedge-runtime`, installs it alone into two new environments, with the
dependencies that were tested together and with the newest, and measures there.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from provenance import provenance, write_result

REPOSITORY = Path(__file__).parents[1]
CONSTRAINTS = REPOSITORY / "constraints.txt"
BOUNDS = {
    "installed_mb": 190.0,
    "own_mb": 4.0,
    "import_s": 0.4,
    "load_and_first_verify_s": 1.0,
    "help_s": 0.5,
}
_ROUNDS = 9

_IMPORT = "import time; t=time.perf_counter(); import embedge.runtime; print(time.perf_counter()-t)"
_CLEAN = (
    "import embedge.runtime, sys;"
    "assert not {'torch','onnx','pydantic'} & set(sys.modules); print(1)"
)
_VERIFY = """
import sys, time
began = time.perf_counter()
from embedge.runtime import FaceMatcher
with FaceMatcher.load(sys.argv[1]) as matcher:
    matcher.verify(sys.argv[2], sys.argv[2])
print(time.perf_counter() - began)
"""
_VERSIONS = """
import importlib.metadata as m, json
names = "embedge-runtime", "numpy", "onnxruntime", "pillow", "cryptography"
print(json.dumps({name: m.version(name) for name in names}))
"""
_HELP = """
import subprocess, sys, time
began = time.perf_counter()
subprocess.run([sys.argv[1], "--help"], check=True, capture_output=True)
print(time.perf_counter() - began)
"""


def main(bundle: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = _wheel(folder)
        _rendered_face().save(folder / "face.png")
        measured = {
            "pinned": _measured(folder, bundle, wheel, "--constraint", CONSTRAINTS),
            "newest": _measured(folder, bundle, wheel, "--upgrade"),
        }
    held = {
        which: {key: figures[key] <= bound for key, bound in BOUNDS.items()}
        for which, figures in measured.items()
    }
    result = {"measured": measured, "bounds": BOUNDS, "held": held}
    write_result("footprint", {"provenance": provenance(), **result})
    print(json.dumps(result, indent=2))


def _measured(folder: Path, bundle: Path, wheel: Path, *wanted: str | Path) -> dict[str, Any]:
    picture = folder / "face.png"
    with tempfile.TemporaryDirectory(dir=folder) as place:
        python = _bare_environment(Path(place), wheel, *wanted)
        _run(python, _CLEAN)
        return {
            "installed_mb": round(_megabytes(python), 2),
            "own_mb": round(_megabytes(python, "embedge-runtime"), 2),
            "import_s": _median(python, _IMPORT),
            "load_and_first_verify_s": _median(python, _VERIFY, str(bundle), str(picture)),
            "help_s": _median(python, _HELP, str(python.parent / "embedge")),
            "versions": json.loads(_run(python, _VERSIONS)),
        }


def _wheel(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=REPOSITORY / "distributions" / "runtime",
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def _bare_environment(folder: Path, wheel: Path, *wanted: str | Path) -> Path:
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted, wheel], check=True)
    return python


def _megabytes(python: Path, *only: str) -> float:
    """What packages take on disk; pip and setuptools every environment has."""
    code = (
        "import json, importlib.metadata as m;"
        f"only, skip = set({only!r}), {{'pip', 'setuptools'}};"
        "wanted = [d for d in m.distributions() if d.name in (only or {d.name} - skip)];"
        "files = {str(f.locate()) for d in wanted for f in d.files or []};"
        "print(json.dumps(sorted(files)))"
    )
    paths = map(Path, json.loads(_run(python, code)))
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def _median(python: Path, code: str, *arguments: str) -> float:
    _run(python, code, *arguments)  # fills the page cache and compiles the byte code
    taken = [float(_run(python, code, *arguments)) for _ in range(_ROUNDS)]
    return round(statistics.median(taken), 3)


def _run(python: Path, code: str, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-c", code, *arguments], check=True, capture_output=True, text=True, cwd="/"
    )
    return done.stdout


def _rendered_face() -> Any:
    from embedge.train.render import FaceRenderer

    return Image.fromarray(FaceRenderer(0).render(np.array([1]), np.array([0])).images[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
