"""tests/fake_gpu, run where libcuda.so.1 and tensorrt are the fakes of that folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "fake_gpu"


@pytest.fixture(scope="session")
def fake_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the compiled fake libcuda.so.1."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler here")
    folder = tmp_path_factory.mktemp("fake-cuda")
    strict = ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"]
    files = ["-o", str(folder / "libcuda.so.1"), str(FOLDER / "libcuda.c")]
    subprocess.run(["gcc", *strict, *files, "-ldl", "-lpthread"], check=True)
    return folder


@pytest.mark.parametrize("generation", [8, 10, 11])
def test_engines_and_encoder(fake_driver: Path, generation: int) -> None:
    paths = [str(FOLDER / "modules"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "FAKE_TENSORRT": str(generation),
            "LD_LIBRARY_PATH": f"{fake_driver}:{os.environ.get('LD_LIBRARY_PATH', '')}",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        },
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 35, done.stdout[-2000:]
