"""Which Jetson this is: the L4T release names the JetPack, the JetPack names the TensorRT."""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Jetson", "jetson"]

# L4T (major, minor) -> JetPack, TensorRT as NVIDIA ships them together
_JETPACKS = {
    (32, 7): ("4.6", "8.2"),
    (35, 1): ("5.0.2", "8.4"),
    (35, 2): ("5.1", "8.5"),
    (35, 3): ("5.1.1", "8.5"),
    (35, 4): ("5.1.2", "8.5"),
    (35, 5): ("5.1.3", "8.5"),
    (35, 6): ("5.1.4 / 5.1.5", "8.5"),
    (36, 2): ("6.0 DP", "8.6"),
    (36, 3): ("6.0", "8.6"),
    (36, 4): ("6.1 / 6.2", "10.3"),
    (36, 5): ("6.2.2", "10.3"),
    (38, 2): ("7.0", "10.13"),
    (38, 4): ("7.1", "10.13"),
    (39, 2): ("7.2", "10.16"),
}


@dataclass(frozen=True, slots=True)
class Jetson:
    """`jetpack` and `tensorrt` are None for a release this version does not know."""

    model: str
    l4t: str
    jetpack: str | None
    tensorrt: str | None


def jetson(root: Path = Path("/")) -> Jetson | None:
    """None where there is no L4T release file, which means: not a Jetson."""
    release = root / "etc/nv_tegra_release"
    if not release.is_file():
        return None
    found = re.search(r"R(\d+).*?REVISION:\s*(\d+)(?:\.(\d+))?", release.read_text())
    if not found:
        return Jetson(_model(root), "unknown", None, None)
    major, minor, patch = int(found[1]), int(found[2]), int(found[3] or 0)
    jetpack, tensorrt = _JETPACKS.get((major, minor), (None, None))
    return Jetson(_model(root), f"{major}.{minor}.{patch}", jetpack, tensorrt)


def _model(root: Path) -> str:
    model = root / "proc/device-tree/model"
    return model.read_bytes().rstrip(b"\0").decode() if model.is_file() else "unknown Jetson"
