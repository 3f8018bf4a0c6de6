"""The library's own word goes before the bindings'."""

import ctypes
from types import SimpleNamespace

import pytest

from embedge.runtime.encoders.tensorrt import library as module
from embedge.runtime.encoders.tensorrt.library import library_version, version_text


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
    assert module.ctypes.CDLL is load
    assert library_version(SimpleNamespace(__name__=name, __version__=version)) == "10.3.0"  # type: ignore[arg-type]
    assert asked == [soname]


def test_without_a_library_by_that_name_the_bindings_are_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trt = SimpleNamespace(__name__="tensorrt", __version__="4711.2")
    assert library_version(trt) == "4711.2"  # type: ignore[arg-type]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert library_version(trt) == "4711.2"  # type: ignore[arg-type]
