"""Facts -> findings: each one names a problem and the command that fixes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from embedge.doctor.facts import Facts

__all__ = ["Finding", "findings"]

Level = Literal["problem", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A `problem` breaks something that is installed; a `note` says what this machine lacks."""

    level: Level
    what: str
    remedy: str


def findings(facts: Facts) -> list[Finding]:
    """Problems first."""
    everything = [one for check in _CHECKS for one in check(facts)]
    return sorted(everything, key=lambda one: one.level != "problem")


def _runtime(facts: Facts) -> Iterator[Finding]:
    for module in ("numpy", "onnxruntime", "PIL", "cryptography"):
        package = facts.packages[module]
        if not package.usable:
            why = package.problem or "it is not installed"
            yield Finding("problem", f"{module} does not import: {why}", "pip install embedge")


def _ort_twice(facts: Facts) -> Iterator[Finding]:
    names = [name for name, _ in facts.ort_distributions]
    if len(names) > 1:
        yield Finding(
            "problem",
            f"{' and '.join(names)} are both installed and overwrite each other's files, so which"
            " providers exist is chance",
            f"pip uninstall -y {' '.join(names)} && pip install {names[-1]}",
        )


def _ort_cpu_only(facts: Facts) -> Iterator[Finding]:
    if facts.driver.problem is None and "CUDAExecutionProvider" not in facts.ort_providers:
        yield Finding(
            "note",
            "there is a GPU, but this ONNX Runtime has no CUDA provider",
            "To run ONNX graphs on the GPU: pip uninstall -y onnxruntime &&"
            " pip install onnxruntime-gpu",
        )


def _gpu(facts: Facts) -> Iterator[Finding]:
    driver = facts.driver
    if driver.problem is None:
        return
    if driver.kernel:
        yield Finding(
            "problem",
            f"the NVIDIA kernel module {driver.kernel} is loaded, but {driver.problem}",
            "Make the driver's user-space libraries visible (in a container: --gpus all or"
            " --runtime nvidia), and their version equal to the module's",
        )
    else:
        yield Finding("note", driver.problem, "Engines are built and run on a machine with a GPU")


def _tensorrt(facts: Facts) -> Iterator[Finding]:
    for module in ("tensorrt", "tensorrt_bindings", "tensorrt_rtx"):
        package = facts.packages[module]
        if package.problem:
            yield Finding("problem", f"{module}: {package.problem}", _tensorrt_remedy(facts))
    if not _has_tensorrt(facts):
        yield Finding("note", "TensorRT for Python is not installed", _tensorrt_remedy(facts))


def _bindings_match_library(facts: Facts) -> Iterator[Finding]:
    """The bindings load the libnvinfer of their own major version only."""
    for name, version in facts.packages["tensorrt_bindings"].distributions:
        majors = {library.major for library in facts.libraries}
        major = int(version.partition(".")[0])
        if majors and major not in majors:
            yield Finding(
                "problem",
                f"{name} {version} needs libnvinfer.so.{major}, this machine has"
                f" {', '.join(library.soname for library in facts.libraries)}",
                f"pip install '{name}=={max(majors)}.*', the version of the library",
            )


def _bindings_match_driver(facts: Facts) -> Iterator[Finding]:
    for name, _ in facts.packages["tensorrt_bindings"].distributions:
        needed = 13 if "cu13" in name else 12 if "cu12" in name else 0
        if facts.driver.cuda and facts.driver.cuda // 1000 < needed:
            yield Finding(
                "problem",
                f"{name} needs a driver for CUDA {needed}, this one serves CUDA"
                f" {facts.driver.cuda_text}",
                "Update the NVIDIA driver, or install the package for the older CUDA",
            )


def _memory_layer(facts: Facts) -> Iterator[Finding]:
    layers = [facts.packages[name] for name in ("pycuda.driver", "cuda.bindings.driver")]
    for package in layers:
        if package.present and package.problem and facts.driver.problem is None:
            yield Finding(
                "problem", f"{package.module}: {package.problem}", "Install it again on this device"
            )
    if _has_tensorrt(facts) and not any(package.usable for package in layers):
        yield Finding(
            "note",
            "TensorRT is here, but neither pycuda nor cuda-bindings works: engines cannot run",
            "pip install 'embedge[cuda]' (a wheel), or 'embedge[pycuda]' (needs nvcc and headers)",
        )


def _engines_unproven(facts: Facts) -> Iterator[Finding]:
    """What no one has seen work is said where it is about to be used."""
    if facts.jetson is not None or (_has_tensorrt(facts) and facts.driver.problem is None):
        yield Finding(
            "note",
            "TensorRT engines, DLA and Jetson boards: this version has not yet run on any",
            "embedge build-engine compares each engine with its graph before it is used;"
            " docs/support-matrix.md says what stands behind the rest",
        )


def _jetson_version(facts: Facts) -> Iterator[Finding]:
    board = facts.jetson
    if board is None:
        return
    if board.jetpack is None:
        yield Finding(
            "note", f"L4T {board.l4t} is not in the table of JetPacks", "See docs/jetson.md"
        )
    elif board.jetpack.startswith("4"):
        yield Finding(
            "problem",
            f"JetPack {board.jetpack} has TensorRT {board.tensorrt}, older than 8.5",
            "Flash JetPack 5.1 or newer, or run the ONNX artifacts with ONNX Runtime",
        )


def _usearch(facts: Facts) -> Iterator[Finding]:
    if facts.packages["usearch"].present:
        yield Finding(
            "note",
            "usearch is installed: imported before onnxruntime it has crashed the process",
            "Import onnxruntime first, or leave usearch out of this environment",
        )


def _has_tensorrt(facts: Facts) -> bool:
    return any(facts.packages[name].usable for name in ("tensorrt", "tensorrt_bindings"))


def _tensorrt_remedy(facts: Facts) -> str:
    if facts.jetson is not None:
        return "On a Jetson TensorRT comes with JetPack: see docs/jetson.md"
    cuda = "cu13" if facts.driver.cuda >= 13_000 else "cu12"
    return f"pip install tensorrt-{cuda} (its libraries come from NVIDIA's package index)"


_CHECKS = (
    _runtime,
    _ort_twice,
    _ort_cpu_only,
    _gpu,
    _tensorrt,
    _bindings_match_library,
    _bindings_match_driver,
    _memory_layer,
    _engines_unproven,
    _jetson_version,
    _usearch,
)
