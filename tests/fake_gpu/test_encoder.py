import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_driver import FakeDriver
from shared_encoder import answers_each_thread_alone, closes_under_running_calls
from tiny_graphs import contract, graph_file

from embedge.errors import EmbedgeError
from embedge.export.engines import EngineOptions, engine_from_onnx
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.encoder import TensorRTEncoder

GENERATION = int(os.environ["FAKE_TENSORRT"])
EMPTY = {"blocks": 0, "pinned": 0, "streams": 0, "graphs": 0, "retained": 0}
ILLEGAL_ADDRESS, INVALID_VALUE, CAPTURE_INVALIDATED = 700, 1, 901


def faces(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8)


@pytest.fixture
def engine(tmp_path: Path) -> Callable[..., tuple[bytes, EngineCard, Path]]:
    def make(
        batches: tuple[int, int, int] = (1, 4, 8), precision: str = "fp32", dla: int | None = None
    ) -> tuple[bytes, EngineCard, Path]:
        graph = graph_file(tmp_path / "g.onnx", precision)
        options = EngineOptions(precision, batches=batches, dla=dla)
        card = engine_from_onnx(graph, tmp_path / "g.plan", options)
        return (tmp_path / "g.plan").read_bytes(), card, graph

    return make


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 17])
def test_equals_the_graph_it_was_built_from(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, count: int
) -> None:
    plan, card, graph = engine()
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours, OrtEncoder(graph) as ort:
        np.testing.assert_allclose(ours.embed(faces(count)), ort.embed(faces(count)), atol=1e-6)


def test_a_batch_below_the_profile_is_padded(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str
) -> None:
    plan, card, graph = engine((4, 4, 8))
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours, OrtEncoder(graph) as ort:
        for count in (1, 3, 9):
            np.testing.assert_allclose(ours.embed(faces(count)), ort.embed(faces(count)), atol=1e-6)


def test_a_fixed_shape_runs_as_a_cuda_graph(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, graph = engine((2, 2, 2))
    before = driver.launches()
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours, OrtEncoder(graph) as ort:
        for seed in range(5):
            images = faces(2, seed)
            np.testing.assert_allclose(ours.embed(images), ort.embed(images), atol=1e-6)
        assert "CUDA graph" in ours.provider
    assert driver.launches() - before == 4  # the first run records nothing
    assert driver.live() == EMPTY


def test_an_engine_that_cannot_be_captured_is_launched_plainly(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, graph = engine((2, 2, 2))
    driver.uncapturable(True)
    before = driver.launches()
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours, OrtEncoder(graph) as ort:
        for seed in range(4):
            images = faces(2, seed)
            np.testing.assert_allclose(ours.embed(images), ort.embed(images), atol=1e-6)
        assert "plain launches: capturing them failed, the engine failed: it did" in ours.provider
        driver.uncapturable(False)
        ours.embed(faces(2))  # tried once, not at every call
        assert "CUDA graph" not in ours.provider
    assert driver.launches() == before
    assert driver.live() == EMPTY


@pytest.mark.parametrize("call", ["cuStreamEndCapture", "cuGraphInstantiateWithFlags"])
def test_a_driver_that_refuses_the_graph_costs_nothing_else(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver, call: str
) -> None:
    plan, card, graph = engine((2, 2, 2))
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours, OrtEncoder(graph) as ort:
        driver.fail(call, CAPTURE_INVALIDATED)
        for seed in range(3):
            images = faces(2, seed)
            np.testing.assert_allclose(ours.embed(images), ort.embed(images), atol=1e-6)
        assert f"plain launches: capturing them failed, a CUDA call failed ({call}" in ours.provider
    assert driver.live() == EMPTY


def test_a_device_lost_while_capturing_is_no_reason_to_go_on(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, _ = engine((1, 1, 1))
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours:
        ours.embed(faces(1))
        driver.fail("cuStreamBeginCapture_v2", ILLEGAL_ADDRESS)
        with pytest.raises(EmbedgeError, match="E-CUDA-LOST"):
            ours.embed(faces(1))


def test_a_dla_never_runs_as_a_cuda_graph(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, _ = engine((2, 2, 2), precision="fp16", dla=0)
    before = driver.launches()
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours:
        for seed in range(3):
            ours.embed(faces(2, seed))
        assert ours.provider.endswith(f"(Fake GPU, sm_87, DLA 0, {layer})")
    assert driver.launches() == before
    with pytest.raises(EmbedgeError, match=r"E-ENGINE-OPTION.*DLA, and the two do not combine"):
        TensorRTEncoder(plan, card, contract(), memory=layer, graphs=True)
    assert driver.live() == EMPTY


def test_graphs_can_be_left_out_and_need_a_fixed_shape(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, _ = engine((2, 2, 2))
    before = driver.launches()
    with TensorRTEncoder(plan, card, contract(), memory=layer, graphs=False) as ours:
        for seed in range(3):
            ours.embed(faces(2, seed))
        assert "CUDA graph" not in ours.provider
    assert driver.launches() == before
    plan, card, _ = engine((1, 2, 4))
    with pytest.raises(EmbedgeError, match="takes 1 to 4"):
        TensorRTEncoder(plan, card, contract(), memory=layer, graphs=True)
    assert driver.live() == EMPTY


def test_provider_names_engine_device_and_layer(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str
) -> None:
    plan, card, _ = engine()
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours:
        assert ours.provider == f"TensorRT {card.tensorrt} fp32 (Fake GPU, sm_87, {layer})"


@pytest.mark.parametrize("contexts", [1, 3])
def test_threads_get_their_own_answers(
    engine: Callable[..., tuple[bytes, EngineCard, Path]],
    layer: str,
    driver: FakeDriver,
    contexts: int,
) -> None:
    if GENERATION == 8 and contexts > 1:
        pytest.skip("TensorRT 8.5 shares no profile between contexts")
    plan, card, _ = engine()
    with TensorRTEncoder(plan, card, contract(), memory=layer, contexts=contexts) as ours:
        batches = [faces(1 + seed % 3, seed) for seed in range(8)]
        answers_each_thread_alone(ours.embed, batches, rounds=4)
    assert driver.live() == EMPTY


def test_closing_waits_for_calls_and_turns_waiting_ones_away(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, _ = engine()
    for _ in range(5):
        ours = TensorRTEncoder(plan, card, contract(), memory=layer)
        closes_under_running_calls(partial(ours.embed, faces(2)), ours.close)
        assert driver.live() == EMPTY


@pytest.mark.skipif(GENERATION != 8, reason="a limit of TensorRT 8.5")
def test_8_5_says_that_it_has_one_context(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, _ = engine()
    with pytest.raises(EmbedgeError, match="one context only"):
        TensorRTEncoder(plan, card, contract(), memory=layer, contexts=2)
    assert driver.live() == EMPTY


def test_flip_sum_of_the_contract(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str
) -> None:
    plan, card, graph = engine()
    flipping = contract(flip="sum")
    with (
        TensorRTEncoder(plan, card, flipping, memory=layer) as ours,
        OrtEncoder(graph, flipping) as ort,
        OrtEncoder(graph) as plain,
    ):
        np.testing.assert_allclose(ours.embed(faces(3)), ort.embed(faces(3)), atol=1e-6)
        assert not np.allclose(ours.embed(faces(3)), plain.embed(faces(3)), atol=1e-3)


def test_closing_gives_everything_back(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, _ = engine()
    ours = TensorRTEncoder(plan, card, contract(), memory=layer)
    ours.embed(faces(1))
    assert driver.live()["blocks"] == 2
    ours.close()
    ours.close()
    assert driver.live() == EMPTY
    with pytest.raises(EmbedgeError) as told:
        ours.embed(faces(1))
    assert told.value.code == "E-CLOSED"


def test_out_of_memory_is_told_and_survived(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, _ = engine()
    driver.capacity(1000)
    with pytest.raises(EmbedgeError) as told:
        TensorRTEncoder(plan, card, contract(), memory=layer)
    assert told.value.code == "E-CUDA-MEMORY"
    assert driver.live() == EMPTY
    driver.capacity(1 << 30)
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours:
        assert ours.embed(faces(2)).shape == (2, 16)


def test_a_lost_device_is_told_and_survived(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, _ = engine()
    ours = TensorRTEncoder(plan, card, contract(), memory=layer)
    ours.embed(faces(1))
    driver.fail("cuStreamSynchronize", ILLEGAL_ADDRESS)
    for _ in range(2):
        with pytest.raises(EmbedgeError) as told:
            ours.embed(faces(1))
        assert told.value.code == "E-CUDA-LOST"
    ours.close()
    driver.fail("none", 0)
    with TensorRTEncoder(plan, card, contract(), memory=layer) as again:
        assert again.embed(faces(1)).shape == (1, 16)


def test_a_single_failure_does_not_condemn_the_encoder(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, graph = engine()
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours, OrtEncoder(graph) as ort:
        driver.fail("cuMemcpyHtoDAsync_v2", INVALID_VALUE)
        with pytest.raises(EmbedgeError) as told:
            ours.embed(faces(1))
        assert told.value.code == "E-CUDA"
        assert "invalid argument" in told.value.what
        np.testing.assert_allclose(ours.embed(faces(1)), ort.embed(faces(1)), atol=1e-6)


def test_wrong_crops_are_refused(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str
) -> None:
    plan, card, _ = engine()
    with TensorRTEncoder(plan, card, contract(), memory=layer) as ours:
        for wrong in (faces(1).astype(np.float32), faces(1)[:, :64]):
            with pytest.raises(EmbedgeError) as told:
                ours.embed(wrong)  # type: ignore[arg-type]
            assert told.value.code == "E-CROP"


def test_an_engine_of_another_contract(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str, driver: FakeDriver
) -> None:
    plan, card, _ = engine()
    with pytest.raises(EmbedgeError) as told:
        TensorRTEncoder(plan, card, contract(dim=512), memory=layer)
    assert told.value.code == "E-ENGINE-SHAPE"
    assert driver.live() == EMPTY


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tensorrt": "9.9.9"}, r"built by TensorRT 9\.9\.9"),
        ({"sms": (72,)}, "built for sm_72 .*here is sm_87"),
        ({"plan_sha256": "0" * 64}, "not the one its sidecar describes"),
    ],
)
def test_a_foreign_engine_is_refused_with_the_rebuild_command(
    engine: Callable[..., tuple[bytes, EngineCard, Path]],
    layer: str,
    driver: FakeDriver,
    change: dict[str, Any],
    reason: str,
) -> None:
    plan, card, _ = engine()
    with pytest.raises(EmbedgeError, match=reason) as told:
        TensorRTEncoder(plan, replace(card, **change), contract(), memory=layer)
    assert told.value.code == "E-ENGINE-FOREIGN"
    assert "embedge build-engine BUNDLE --precision fp32" in told.value.remedy
    assert driver.live() == EMPTY


def test_a_plan_that_tensorrt_refuses(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str
) -> None:
    import hashlib

    _, card, _ = engine()
    card = replace(card, plan_sha256=hashlib.sha256(b"noise").hexdigest())
    with pytest.raises(EmbedgeError, match="Magic tag does not match"):
        TensorRTEncoder(b"noise", card, contract(), memory=layer)


def test_no_contexts_is_refused(
    engine: Callable[..., tuple[bytes, EngineCard, Path]], layer: str
) -> None:
    plan, card, _ = engine()
    with pytest.raises(EmbedgeError) as told:
        TensorRTEncoder(plan, card, contract(), memory=layer, contexts=0)
    assert told.value.code == "E-CONTEXTS"
