import hashlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from engine_cards import ORIN
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt import engine as module
from embedge.runtime.encoders.tensorrt.card import EngineCard
from embedge.runtime.encoders.tensorrt.engine import engine_from_plan

PLAN = b"a plan"
CARD = replace(
    ORIN,
    plan_sha256=hashlib.sha256(PLAN).hexdigest(),
    plan_bytes=len(PLAN),
    precision="fp32",
    remainder="fp32",
    batches=(1, 2, 4),
)
FLOAT, HALF = SimpleNamespace(name="FLOAT"), SimpleNamespace(name="HALF")


class Engine:
    """`tensors`: name -> (mode, type, shape)."""

    def __init__(self, **tensors: tuple[int, Any, tuple[int, ...]]) -> None:
        self.tensors, self.num_io_tensors = tensors, len(tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> int:
        return self.tensors[name][0]

    def get_tensor_dtype(self, name: str) -> Any:
        return self.tensors[name][1]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name][2]

    def get_tensor_profile_shape(self, *_: object) -> list[tuple[int, ...]]:
        return [(1, 3, 112, 112), (2, 3, 112, 112), (4, 3, 112, 112)]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What TensorRT deserialises to."""
    answers: list[Any] = []
    logger = type("ILogger", (), {"INTERNAL_ERROR": 0, "ERROR": 1, "WARNING": 2})

    def runtime(log: Any) -> Any:
        log.log(1, "wrong magic")
        return SimpleNamespace(deserialize_cuda_engine=lambda _: answers[0])

    trt = SimpleNamespace(
        __version__="10.7.0",
        ILogger=logger,
        Runtime=runtime,
        TensorIOMode=SimpleNamespace(INPUT=0, OUTPUT=1),
        DataType=SimpleNamespace(FLOAT=FLOAT),
    )
    monkeypatch.setattr(module, "tensorrt_module", lambda _: trt)
    monkeypatch.setattr(module, "library_version", lambda _: "10.3.0")
    return answers


IMAGE = (0, FLOAT, (-1, 3, 112, 112))
ROWS = (1, FLOAT, (-1, 8))


def test_an_engine_whose_door_fits(given: list[Any]) -> None:
    given.append(Engine(image=IMAGE, rows=ROWS))
    found = engine_from_plan(PLAN, CARD, tiny_contract(8), 87)
    assert (found.input, found.output, found.batches) == ("image", "rows", (1, 2, 4))
    assert not found.fixed
    given[0] = Engine(image=(0, FLOAT, (2, 3, 112, 112)), rows=(1, FLOAT, (2, 8)))
    assert engine_from_plan(PLAN, CARD, tiny_contract(8), 87).fixed


@pytest.mark.parametrize(
    ("engine", "code"),
    [
        (None, "E-ENGINE-FOREIGN.*wrong magic"),
        (Engine(image=IMAGE), "E-ENGINE-SHAPE.*1 inputs and 0 outputs"),
        (Engine(image=IMAGE, rows=(1, HALF, (-1, 8))), "E-ENGINE-SHAPE.*HALF"),
        (Engine(image=IMAGE, rows=(1, FLOAT, (-1, 9))), "E-ENGINE-SHAPE.*9"),
        (Engine(image=(0, FLOAT, (-1, 3, 64, 64)), rows=ROWS), "E-ENGINE-SHAPE.*64"),
    ],
)
def test_an_engine_of_something_else(given: list[Any], engine: Any, code: str) -> None:
    given.append(engine)
    with pytest.raises(EmbedgeError, match=code):
        engine_from_plan(PLAN, CARD, tiny_contract(8), 87)


@pytest.mark.parametrize(
    ("plan", "card", "sm"),
    [(b"other", CARD, 87), (PLAN, replace(CARD, tensorrt="9.0"), 87), (PLAN, CARD, 72)],
)
def test_machine_code_is_not_opened_before_it_is_known_to_fit(
    given: list[Any], plan: bytes, card: EngineCard, sm: int
) -> None:
    with pytest.raises(EmbedgeError, match="E-ENGINE-FOREIGN"):
        engine_from_plan(plan, card, tiny_contract(8), sm)
    assert given == []  # it was never asked for
