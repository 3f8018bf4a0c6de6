import importlib.util

import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.cuda import memory_bindings, memory_pycuda
from embedge.runtime.encoders.tensorrt.cuda.layers import LAYERS, open_memory


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_pycuda, "PycudaMemory", lambda device: ("pycuda", device))
    monkeypatch.setattr(memory_bindings, "BindingsMemory", lambda device: ("cuda-bindings", device))


@pytest.mark.parametrize("layer", LAYERS)
def test_the_layer_asked_for_is_opened_on_the_device_asked_for(layer: str) -> None:
    assert open_memory(layer, 3) == (layer, 3)  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("installed", "taken"),
    [({"pycuda", "cuda", "cuda.bindings"}, "pycuda"), ({"cuda", "cuda.bindings"}, "cuda-bindings")],
)
def test_the_first_installed_is_taken(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], taken: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in installed or None)
    assert open_memory() == (taken, 0)  # type: ignore[comparison-overlap]


def test_none_installed_and_none_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    for layer in (None, "cupy"):
        with pytest.raises(EmbedgeError, match="E-CUDA-LAYER"):
            open_memory(layer)
