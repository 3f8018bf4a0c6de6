"""What is refused or said before any builder starts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from embedge.errors import EmbedgeError
from embedge.export.engines import EngineOptions, build, engines_available
from embedge.export.engines.build import layers_path


def test_the_reason_why_no_engine_can_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MODULES", {"tensorrt": ("absent_trt",), "rtx": ("json",)})
    assert engines_available() == "absent_trt is not installed"
    assert engines_available("rtx") is None
    monkeypatch.setattr(build, "MODULES", {"tensorrt": ("json",)})
    monkeypatch.setattr(build, "cuda_driver", lambda: SimpleNamespace(problem="no driver"))
    assert engines_available() == "no driver"


def test_without_a_gpu_only_an_ahead_of_time_build_is_allowed() -> None:
    driver: Any = SimpleNamespace(problem="there is no GPU")
    with pytest.raises(EmbedgeError, match=r"E-NO-GPU.*there is no GPU"):
        build._require_gpu(EngineOptions("fp16"), driver)
    build._require_gpu(EngineOptions("fp16", target="rtx", sms=(86,)), driver)


@pytest.mark.parametrize(
    ("sms", "here"), [((), True), ((87,), True), ((86, 87), True), ((86, 89), False)]
)
def test_a_plan_for_other_gpus_is_not_opened_here(sms: tuple[int, ...], here: bool) -> None:
    driver: Any = SimpleNamespace(problem=None, devices=[SimpleNamespace(sm=87, name="Orin")])
    options = EngineOptions("fp16", target="rtx", sms=sms)
    assert build._runs_here(options, driver) is here
    assert (build._device(options, driver) == "Orin") is here
    without: Any = SimpleNamespace(problem="no driver", devices=[])
    assert not build._runs_here(options, without)


def test_a_failed_build_repeats_what_tensorrt_said() -> None:
    log = SimpleNamespace(errors=["first", "no kernel for Conv"])
    with pytest.raises(EmbedgeError, match=r"(?s)E-TRT-BUILD.*no kernel for Conv"):
        build._plan_bytes(None, log, Path("m.onnx"))
    assert build._plan_bytes(memoryview(b"plan"), log, Path("m.onnx")) == b"plan"


def test_a_fixed_batch_is_the_graphs_own() -> None:
    def network(batch: int) -> Any:
        return SimpleNamespace(get_input=lambda _: SimpleNamespace(shape=(batch, 3, 112, 112)))

    options = EngineOptions("fp16", batches=(1, 4, 8))
    assert build._batches(network(-1), options) == (1, 4, 8)
    assert build._batches(network(2), options) == (2, 2, 2)


def test_the_inspectors_answer_lies_beside_the_plan() -> None:
    assert layers_path(Path("a/b.sm87.plan")) == Path("a/b.sm87.plan.layers.json")
