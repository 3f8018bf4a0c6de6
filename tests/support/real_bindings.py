"""NVIDIA's real Python bindings without NVIDIA's libraries: wheels from the package index, linked
against stub libraries whose functions do nothing. Enough to ask what the interface looks like."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from import_path import import_path
from tensorrt_uses import Use

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "embedge-tests"
SYMBOLS = (
    "createInferBuilder_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "getBuilderPluginRegistry",
    "getPluginRegistry",
    "initLibNvInferPlugins",
    "getNvOnnxParserVersion",
    "getInferLibVersion",
    # TensorRT 8 still linked its Caffe and UFF parsers, which are C++
    "_ZN11nvuffparser15createUffParserEv",
    "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi",
    "_ZN14nvcaffeparser117createCaffeParserEv",
    "_ZN14nvcaffeparser123shutdownProtobufLibraryEv",
)
LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser", "nvparsers")


@dataclass(frozen=True, slots=True)
class Bindings:
    """An unpacked wheel and the stub libraries of its major version."""

    package: str
    version: str
    folder: Path
    libraries: Path

    def ask(self, question: str, value: object = None) -> object:
        """Run a function of bindings_child.py where these bindings import."""
        child = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("bindings_child.py")), question],
            input=json.dumps(value),
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": import_path(self.folder),
                "LD_LIBRARY_PATH": f"{self.libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}",
            },
            check=False,
        )
        assert child.returncode == 0, child.stderr
        return json.loads(child.stdout)

    def problems(self, uses: list[Use]) -> list[str]:
        """Every use that these bindings would not serve, with its place in our code."""
        found = self.ask("problems", [asdict(use) for use in uses])
        assert isinstance(found, list)
        return found


def bindings(package: str, version: str) -> Bindings:
    """Download once, unpack, compile the stubs; skip only where that is impossible."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler here")
    folder = CACHE / f"{package}-{version}-py{sys.version_info.major}{sys.version_info.minor}"
    if not folder.is_dir():
        _download(package, version, folder)
    return Bindings(package, version, folder, _stubs(version.partition(".")[0]))


def _download(package: str, version: str, folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    wheels = part / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", f"{package}=={version}", "--dest", str(wheels)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        pytest.skip(f"{package}=={version} cannot be downloaded here: {reason}")
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(part)
    shutil.rmtree(wheels)
    _keep(part, folder)


def _stubs(major: str) -> Path:
    folder = CACHE / f"stubs-{major}"
    if folder.is_dir():
        return folder
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    part.mkdir(parents=True)
    source = part / "stub.c"
    source.write_text("\n".join(f"void *{name}(void) {{ return 0; }}" for name in SYMBOLS))
    for name in LIBRARIES:
        soname = f"lib{name}.so.{major}"
        command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{soname}", "-o", str(part / soname)]
        subprocess.run([*command, str(source)], check=True)
    _keep(part, folder)
    return folder


def _keep(part: Path, folder: Path) -> None:
    """Another test process may have been faster; its result is as good."""
    try:
        part.rename(folder)
    except OSError:
        shutil.rmtree(part)
