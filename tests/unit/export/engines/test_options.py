from typing import Any

import pytest

from embedge.errors import EmbedgeError
from embedge.export.engines import EngineOptions


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"precision": "int4"}, "int4"),
        ({"precision": "fp32", "batches": (2, 1, 4)}, "do not rise"),
        ({"precision": "fp32", "batches": (0, 1, 4)}, "do not rise"),
        ({"precision": "fp32", "hardware": "turing"}, "turing"),
        ({"precision": "fp32", "dla": 0}, "DLA does not compute in FP32"),
        ({"precision": "int8", "dla": 0}, "implicit quantisation only"),
        ({"precision": "int8", "remainder": "bf16"}, "bf16"),
    ],
)
def test_a_wrong_wish_is_named(options: dict[str, Any], what: str) -> None:
    with pytest.raises(EmbedgeError, match=what) as told:
        EngineOptions(**options)
    assert told.value.code == "E-ENGINE-OPTION"


def test_the_remedy_for_int8_on_a_dla_is_fp16() -> None:
    with pytest.raises(EmbedgeError) as told:
        EngineOptions("int8", dla=0)
    assert "--precision fp16" in told.value.remedy
    assert EngineOptions("fp16", dla=0).dla == 0


def test_the_defaults_stand() -> None:
    assert EngineOptions("int8").remainder == "fp16"
    assert EngineOptions("fp16", batches=(4, 4, 4)).batches == (4, 4, 4)
