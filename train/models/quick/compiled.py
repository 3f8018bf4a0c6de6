"""The kernels of this folder: compiled once for this processor, kept in the user's cache.

A wheel cannot carry them for every processor, and torch's own layers take three times as long.
Where there is no compiler training goes on without them, in plain torch.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from embedge.errors import EmbedgeError
from embedge.files import whole_file

__all__ = ["call", "prepared"]

_SOURCE = Path(__file__).with_name("kernels.cpp")
_FLAGS = ("-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math")
_SWITCH = "EMBEDGE_KERNELS"


@cache
def _library() -> ctypes.CDLL | None:
    """None where they are switched off (EMBEDGE_KERNELS=0) or cannot be compiled."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if os.environ.get(_SWITCH) == "0" or compiler is None or platform.system() != "Linux":
        return None
    try:
        return ctypes.CDLL(str(_built(compiler)))
    except (OSError, RuntimeError, EmbedgeError, subprocess.SubprocessError):
        return None  # no room for them, no home to keep them in, or a compiler that cannot


def prepared() -> bool:
    """Whether they are there; compiles them at the first question."""
    return _library() is not None


def call(name: str, dtype: torch.dtype, *arguments: Tensor | int | None) -> None:
    """A kernel for maps of `dtype`; tensors are passed by address and must be dense."""
    loaded = _library()
    assert loaded is not None
    passed = [_passed(one) for one in arguments]
    getattr(loaded, f"{name}_{str(dtype).removeprefix('torch.')}")(*passed)


def _passed(argument: Tensor | int | None) -> ctypes.c_void_p | ctypes.c_long:
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    return ctypes.c_void_p(None if argument is None else argument.data_ptr())


def _built(compiler: str) -> Path:
    path = _folder() / f"kernels-{_key(compiler)}.so"
    if not path.is_file():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(path) as part:
            command = [compiler, *_FLAGS, "-shared", "-fPIC", str(_SOURCE), "-o", str(part)]
            subprocess.run(command, check=True, capture_output=True, timeout=120)
    return path


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "embedge"


def _key(compiler: str) -> str:
    """Another source, compiler or processor is another library."""
    version = subprocess.run([compiler, "--version"], check=True, capture_output=True, timeout=60)
    parts = (_SOURCE.read_bytes(), " ".join(_FLAGS).encode(), version.stdout, _processor())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> bytes:
    lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    return b"\n".join(sorted({x for x in lines if x.startswith((b"flags", b"model name"))}))
