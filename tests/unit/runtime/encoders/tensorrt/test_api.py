import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt import api
from embedge.runtime.encoders.tensorrt.api import tensorrt_module

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
