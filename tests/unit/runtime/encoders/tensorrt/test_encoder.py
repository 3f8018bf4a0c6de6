"""The encoder over its lanes; the engine is a fake here, another in tests/fake_gpu, real in gpu."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from fake_lanes import DIM, FakeMemory, fake_engine
from shared_encoder import answers_each_thread_alone, closes_under_running_calls
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt import encoder as module
from embedge.runtime.encoders.tensorrt.encoder import TensorRTEncoder

CROPS = np.random.default_rng(0).integers(0, 256, (12, 112, 112, 3), np.uint8)
Open = Callable[..., TensorRTEncoder]


@pytest.fixture
def memory() -> FakeMemory:
    return FakeMemory()


@pytest.fixture
def opened(memory: FakeMemory, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setattr(module, "_gpu", lambda _: SimpleNamespace(name="numpy", sm=0))
    monkeypatch.setattr(module, "open_memory", lambda *_: memory)
    monkeypatch.setattr(module, "engine_from_plan", lambda *_: fake_engine(memory))
    card = SimpleNamespace(batches=(1, 4, 4), tensorrt="0", precision="fp32", dla=None)
    return lambda **options: TensorRTEncoder(b"", card, tiny_contract(DIM), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("contexts", [1, 3])
def test_threads_get_their_own_answers(opened: Open, memory: FakeMemory, contexts: int) -> None:
    with opened(contexts=contexts) as encoder:
        batches = [CROPS[i : i + 1 + i % 5] for i in range(6)]
        answers_each_thread_alone(encoder.embed, batches, rounds=4)
    assert (memory.live, memory.closed) == (0, True)


@pytest.mark.parametrize("contexts", [1, 3])
def test_closing_waits_for_calls_and_strands_nobody(
    opened: Open, memory: FakeMemory, contexts: int
) -> None:
    encoder = opened(contexts=contexts)
    closes_under_running_calls(lambda: encoder.embed(CROPS[:3]), encoder.close)
    encoder.close()
    assert (memory.live, memory.closed) == (0, True)
    assert "closed" in encoder.provider


def test_what_cannot_be_opened_leaves_nothing_open(opened: Open, memory: FakeMemory) -> None:
    with pytest.raises(EmbedgeError, match="E-CONTEXTS"):
        opened(contexts=0)
    with pytest.raises(EmbedgeError, match="E-ENGINE-OPTION"):
        opened(graphs=True)
    assert (memory.live, memory.closed) == (0, True)
