"""A bundle proves itself when it is first loaded on a machine; that it passed is remembered.

The note lies in the user's cache, never beside the bundle. It names the bundle's manifest, the
artifact, the engine, its version and the processor: any of them new, and the test is run again.
`EMBEDGE_SELFTEST=off` switches it off, `always` forgets what is remembered.
"""

import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.errors import EmbedgeError, Passing
from embedge.runtime.selftest.golden import GOLDEN
from embedge.runtime.selftest.selftest import golden_of, tested_encoder

if TYPE_CHECKING:
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.encoders import Encoder

__all__ = ["SWITCH", "cache_folder", "proven"]

SWITCH = "EMBEDGE_SELFTEST"
_MODES = ("first", "always", "off")
_ENGINES = (
    "onnxruntime",
    "openvino",
    "tensorrt",
    "ncnn",
    "ai-edge-litert",
    "executorch",
    "numpy",
)


def proven(encoder: "Encoder", bundle: "Bundle", artifact: str, *, mode: str | None = None) -> None:
    """Refuse an encoder that does not answer as its bundle says it must (E-SELFTEST)."""
    chosen = _mode(mode)
    if chosen == "off" or GOLDEN not in bundle.files:
        return
    note = cache_folder() / _key(encoder, bundle, artifact)
    if chosen == "first" and note.exists():
        return
    golden = golden_of(bundle)
    if golden is not None:
        tested_encoder(encoder, golden, artifact).require()
        _remember(note)


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.cache"
    with Passing(RuntimeError):  # a service may have no home
        return Path(base).expanduser() / "embedge" / "selftest"
    return Path(os.devnull)  # nothing can be remembered there


def _mode(given: str | None) -> str:
    mode = given or os.environ.get(SWITCH) or "first"
    if mode in _MODES:
        return mode
    raise EmbedgeError(
        "E-OPTION",
        f"the self-test cannot be '{mode}'",
        remedy=f"Give one of {', '.join(_MODES)} as `selftest` or as {SWITCH}",
    )


def _key(encoder: "Encoder", bundle: "Bundle", artifact: str) -> str:
    parts = [hashlib.sha256(bundle.manifest).hexdigest(), artifact]
    parts += [type(encoder).__name__, encoder.provider, *_machine()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _machine() -> list[str]:
    """What may change the answers: the processor, the system, the engines."""
    return [platform.system(), platform.machine(), _processor(), *map(_version, _ENGINES)]


def _processor() -> str:
    """Its model and instruction sets, where the system tells them."""
    wanted = ("model name", "flags", "Features", "CPU part")
    with Passing(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))
    return platform.processor()


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def _remember(note: Path) -> None:
    """Where nothing can be written the test is simply run at every load."""
    with Passing(OSError):
        if not note.parent.exists():  # `mkdir` and `touch` take a deadline's error for their own
            note.parent.mkdir(parents=True, exist_ok=True)
        note.write_bytes(b"")
