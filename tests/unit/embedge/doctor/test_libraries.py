import shutil
import subprocess
from pathlib import Path

import pytest

from embedge.doctor.libraries import _library


@pytest.mark.skipif(not shutil.which("gcc"), reason="no C compiler here")
@pytest.mark.parametrize(("number", "text"), [(8502, "8.5.2"), (101601, "10.16.1"), (0, "unknown")])
def test_version_as_the_library_tells_it(tmp_path: Path, number: int, text: str) -> None:
    source = tmp_path / "nvinfer.c"
    source.write_text(f"int getInferLibVersion(void) {{ return {number}; }}")
    library = tmp_path / "libnvinfer.so.10"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    found = _library(str(library))
    assert found is not None
    assert (found.version, found.major) == (text, 10)


def test_absent_library() -> None:
    assert _library("libnvinfer.so.4711") is None
