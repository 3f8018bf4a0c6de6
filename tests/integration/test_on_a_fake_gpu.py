"""tests/fake_gpu, run where libcuda.so.1 and tensorrt are the fakes of that folder."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from import_path import import_path

FOLDER = Path(__file__).resolve().parent.parent / "fake_gpu"
LIBRARIES = {8: 8503, 10: 100301, 11: 110401}  # a patch later than the fake bindings


@pytest.fixture(scope="session")
def fake_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the compiled fake libcuda.so.1."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler here")
    folder = tmp_path_factory.mktemp("fake-cuda")
    library, rest = folder / "libcuda.so.1", folder / "rest.c"
    strict = ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"]
    compiler = ["gcc", *strict, "-o", str(library), str(FOLDER / "libcuda.c")]
    subprocess.run([*compiler, "-ldl", "-lpthread"], check=True)
    not_supported = "int {}(void) {{ return 801; }}\n"
    rest.write_text("".join(map(not_supported.format, sorted(_what_pycuda_links(library)))))
    subprocess.run([*compiler, str(rest), "-ldl", "-lpthread"], check=True)
    for generation, version in LIBRARIES.items():
        out = ["-o", str(folder / f"libnvinfer.so.{generation}"), f"-DVERSION={version}"]
        subprocess.run(["gcc", "-shared", "-fPIC", *out, str(FOLDER / "nvinfer.c")], check=True)
    return folder


def _what_pycuda_links(library: Path) -> set[str]:
    """Functions that a real driver has, pycuda is linked against, and the fake does not compute."""
    found = importlib.util.find_spec("pycuda")
    folders = found.submodule_search_locations if found is not None else None
    extensions = [file for folder in folders or () for file in Path(folder).glob("_driver*.so")]
    wanted = {name for file in extensions for name in _symbols(file, "--undefined-only")}
    return {name for name in wanted if name.startswith("cu")} - _symbols(library, "--defined-only")


def _symbols(file: Path, which: str) -> set[str]:
    command = ["nm", "--dynamic", which, str(file)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].partition("@")[0] for line in listed.splitlines()}


def passed(fake_driver: Path, generation: int, folder: Path, **more: str) -> int:
    """Run a folder of tests where the fakes are the driver and TensorRT; how many passed."""
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed: .[cuda]")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "FAKE_TENSORRT": str(generation),
            "LD_LIBRARY_PATH": f"{fake_driver}:{os.environ.get('LD_LIBRARY_PATH', '')}",
            "PYTHONPATH": import_path(FOLDER / "modules"),
            **more,
        },
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    count = re.search(r"(\d+) passed", done.stdout)
    assert count is not None, done.stdout[-2000:]
    return int(count[1])


@pytest.mark.parametrize("generation", [8, 10, 11])
def test_engines_and_encoder(fake_driver: Path, generation: int) -> None:
    assert passed(fake_driver, generation, FOLDER) > 40


def test_the_tests_for_a_real_gpu_can_run(fake_driver: Path, tmp_path: Path) -> None:
    """So that the first machine with a GPU finds faults of the product, not of its tests."""
    smi = tmp_path / "bin/nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\n")
    smi.chmod(0o755)
    path = f"{smi.parent}:{os.environ['PATH']}"
    settings = {"EMBEDGE_GPU_RESULTS": str(tmp_path), "EMBEDGE_GPU_SECONDS": "0.2"}
    more = {"PATH": path, "FAKE_GPU_HIDES": "tensorrt_rtx", **settings}
    assert passed(fake_driver, 10, FOLDER.parent / "gpu", **more) >= 10
    seen = json.loads((tmp_path / "gpu-fake-gpu.json").read_text())
    assert seen["seen"]["engine tensorrt int8 (1, 1, 1)"]["parity"]["min"] > 0.9999
    assert seen["provenance"]["machine"]["cuda"]["devices"][0]["name"] == "Fake GPU"
