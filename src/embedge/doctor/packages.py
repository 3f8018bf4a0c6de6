"""Does a package import here? Asked in a child process: a broken CUDA package may kill its host."""

import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from embedge import __version__

__all__ = ["ORT_DISTRIBUTIONS", "Package", "installed", "packages", "versions_of"]

# module -> distributions that bring it
_MODULES = {
    "numpy": ("numpy",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "PIL": ("pillow",),
    "cryptography": ("cryptography",),
    "tensorrt": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
    "tensorrt_bindings": (
        "tensorrt-cu13-bindings",
        "tensorrt-cu12-bindings",
        "tensorrt-bindings",
    ),
    "tensorrt_rtx": ("tensorrt-rtx",),
    "pycuda.driver": ("pycuda",),
    "cuda.bindings.driver": ("cuda-bindings",),
    "torch": ("torch",),
    "onnx": ("onnx",),
    "openvino": ("openvino",),
    "usearch": ("usearch",),
}
# Packages that share the folder `onnxruntime`: the one installed last overwrites the others.
ORT_DISTRIBUTIONS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-qnn",
)
_LISTED_ONLY = ("torch", "onnx", "openvino", "usearch")  # slow to import, and not ours to judge
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Package:
    """`distributions` are (name, version) pairs; `problem` is None when the module imports."""

    module: str
    distributions: tuple[tuple[str, str], ...]
    present: bool
    problem: str | None

    @property
    def usable(self) -> bool:
        return self.present and self.problem is None


def packages(modules: tuple[str, ...] = tuple(_MODULES)) -> dict[str, Package]:
    with ThreadPoolExecutor(4) as pool:
        return {one.module: one for one in pool.map(_package, modules)}


def installed(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Which of these distributions are installed, with their versions."""
    found = []
    for name in names:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)


def versions_of(names: tuple[str, ...]) -> dict[str, str]:
    """What made a report: embedge, Python, and these distributions, be they installed or not."""
    ours = {"embedge": __version__, "python": platform.python_version()}
    return ours | dict.fromkeys(names, "not installed") | dict(installed(names))


def _package(module: str) -> Package:
    distributions = installed(_MODULES[module])
    present = importlib.util.find_spec(module.partition(".")[0]) is not None
    if module.startswith("cuda."):  # `cuda` is a namespace that other packages share
        present = bool(distributions)
    checked = present and module not in _LISTED_ONLY
    return Package(module, distributions, present, _import_problem(module) if checked else None)


def _import_problem(module: str) -> str | None:
    try:
        child = subprocess.run(
            [sys.executable, "-c", f"import {module}"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"importing it took more than {_SECONDS} s"
    if child.returncode == 0:
        return None
    if child.returncode < 0:
        return f"importing it kills the process (signal {-child.returncode})"
    lines = child.stderr.strip().splitlines()
    return lines[-1] if lines else f"importing it ends with status {child.returncode}"
