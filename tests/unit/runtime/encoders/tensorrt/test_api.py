import ctypes
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt import api
from embedge.runtime.encoders.tensorrt.api import (
    library_version,
    tensorrt_module,
    version_text,
)

NAMES = ("trt_of_this_test", "bare_bindings")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(api, "MODULES", {"tensorrt": NAMES})
    yield tmp_path
    for name in NAMES:
        sys.modules.pop(name, None)


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)
    importlib.invalidate_caches()


NEW = "__version__ = '10.3'\nclass IExecutionContext:\n    def execute_async_v3(self): ...\n"


def test_the_first_name_that_is_there_is_taken(here: Path) -> None:
    write(here, "bare_bindings", NEW)
    assert tensorrt_module().__name__ == "bare_bindings"
    write(here, "trt_of_this_test", NEW)
    assert tensorrt_module().__name__ == "trt_of_this_test"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "E-TRT-MISSING"),
        ("raise OSError('libnvinfer.so.10')", "E-TRT-BROKEN.*libnvinfer"),
        ("__version__ = '8.4'\nclass IExecutionContext: ...\n", "E-TRT-OLD.*8.4"),
    ],
)
def test_what_is_missing_broken_or_old(here: Path, text: str | None, code: str) -> None:
    if text is not None:
        write(here, "trt_of_this_test", text)
    with pytest.raises(EmbedgeError, match=code):
        tensorrt_module()


def test_a_target_nobody_knows() -> None:
    with pytest.raises(EmbedgeError, match=r"E-TRT-MISSING.*'tpu'"):
        tensorrt_module("tpu")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *((8502, "8.5.2"), (8601, "8.6.1"), (100300, "10.3.0"), (101602, "10.16.2")),
        *((10701, "1.7.1"), (0, "unknown")),  # RTX counts as TensorRT 10 does
    ],
)
def test_the_number_is_read_by_its_generation(number: int, text: str) -> None:
    assert version_text(number) == text


@pytest.mark.parametrize(
    ("name", "version", "soname"),
    [
        ("tensorrt", "10.7.0", "libnvinfer.so.10"),
        ("tensorrt_bindings", "8.6.1", "libnvinfer.so.8"),
        ("tensorrt_rtx", "1.7.1.116", "libtensorrt_rtx.so.1"),
    ],
)
def test_the_loaded_library_is_asked(
    monkeypatch: pytest.MonkeyPatch, name: str, version: str, soname: str
) -> None:
    asked: list[str] = []

    def load(file: str) -> object:
        asked.append(file)
        return SimpleNamespace(getInferLibVersion=lambda: 100300)

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert api.ctypes.CDLL is load
    assert library_version(SimpleNamespace(__name__=name, __version__=version)) == "10.3.0"  # type: ignore[arg-type]
    assert asked == [soname]


def test_without_a_library_by_that_name_the_bindings_are_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trt = SimpleNamespace(__name__="tensorrt", __version__="4711.2")
    assert library_version(trt) == "4711.2"  # type: ignore[arg-type]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert library_version(trt) == "4711.2"  # type: ignore[arg-type]
