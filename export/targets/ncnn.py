"""ONNX to ncnn by ncnn's own converter, pnnx: `pip install 'embedge[ncnn]'`."""

import os
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from embedge.export.targets import Converted, refused
from embedge.optional import require

__all__ = ["ncnn_from_onnx"]

_SECONDS = 300


def ncnn_from_onnx(model: bytes, size: int, *, half: bool) -> Converted:
    """Layers and weights; `half` stores these in 16 bits."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "net.onnx").write_bytes(model)
        wanted = ["net.onnx", f"inputshape=[1,3,{size},{size}]", f"fp16={int(half)}"]
        _convert([str(_converter()), *wanted], folder)
        files = {f".ncnn.{kind}": folder / f"net.ncnn.{kind}" for kind in ("param", "bin")}
        missing = [path for path in files.values() if not path.is_file()]
        if missing:
            raise refused("ncnn", "pnnx wrote no network")
        _require_known_layers(files[".ncnn.param"].read_text())
        found = {ending: path.read_bytes() for ending, path in files.items()}
    return Converted(found, {"pnnx": version("pnnx"), "ncnn": version("ncnn")})


def _converter() -> Path:
    """The program in the package, without importing what is round it: that wants torch."""
    found = find_spec("pnnx")
    if found is None or not found.origin:
        require("pnnx", extra="ncnn")
        raise refused("ncnn", "the package pnnx holds no program")
    program = Path(found.origin).with_name("pnnx.exe" if os.name == "nt" else "pnnx")
    require("ncnn", extra="ncnn")
    return program


def _convert(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise refused("ncnn", f"pnnx did not run: {error}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines() or ["no reason was given"]
        raise refused("ncnn", last[-1][:300])


def _require_known_layers(param: str) -> None:
    """What pnnx cannot translate it writes down under its own names, which no ncnn reads."""
    kinds = [line.split()[0] for line in param.splitlines()[2:] if line.strip()]
    strange = sorted({kind for kind in kinds if "." in kind or "::" in kind})
    if strange:
        raise refused("ncnn", f"there is no ncnn layer for {', '.join(strange)}")
