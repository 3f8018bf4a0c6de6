"""Everything the doctor looks at, as plain values that fit in JSON."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from embedge import __version__
from embedge.doctor.jetson import Jetson, jetson
from embedge.doctor.libraries import TensorRTLibrary, tensorrt_libraries
from embedge.doctor.packages import ORT_DISTRIBUTIONS, Package, installed, packages
from embedge.runtime.encoders.tensorrt.cuda.driver import CudaDriver, cuda_driver
from embedge.typed import plain

__all__ = ["Facts", "machine_facts"]

_PROVIDERS = (
    "import json, onnxruntime as o; o.set_default_logger_severity(4);"
    "print(json.dumps(o.get_available_providers()))"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """`ort_distributions` lists every package that claims the folder `onnxruntime`."""

    python: str
    machine: str
    jetson: Jetson | None
    driver: CudaDriver
    libraries: tuple[TensorRTLibrary, ...]
    packages: dict[str, Package]
    ort_distributions: tuple[tuple[str, str], ...]
    ort_providers: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "embedge": __version__,
            "python": self.python,
            "machine": self.machine,
            "jetson": plain(self.jetson),
            "cuda": plain(self.driver),
            "tensorrt_libraries": plain(self.libraries),
            "packages": plain(self.packages),
            "onnxruntime": {
                "distributions": dict(self.ort_distributions),
                "providers": list(self.ort_providers),
            },
        }


def machine_facts() -> Facts:
    return Facts(
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}, {platform.platform(terse=True)}",
        jetson=jetson(),
        driver=cuda_driver(),
        libraries=tensorrt_libraries(),
        packages=packages(),
        ort_distributions=installed(ORT_DISTRIBUTIONS),
        ort_providers=_ort_providers(),
    )


def _ort_providers() -> tuple[str, ...]:
    if importlib.util.find_spec("onnxruntime") is None:
        return ()
    child = subprocess.run(
        [sys.executable, "-c", _PROVIDERS],
        capture_output=True,
        text=True,
        env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"},
        timeout=60,
        check=False,
    )
    return tuple(json.loads(child.stdout)) if child.returncode == 0 else ()
