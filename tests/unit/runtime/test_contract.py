import json
from typing import Any

import numpy as np
import pytest
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops

IMAGENET: dict[str, Any] = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}


def test_a_contract_of_three_colours_survives_json() -> None:
    for contract in (tiny_contract(), tiny_contract(**IMAGENET)):
        found = EmbeddingContract.from_json(json.loads(json.dumps(contract.to_json())))
        assert (found, found.digest) == (contract, contract.digest)


def test_each_colour_has_its_own_scale() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3)).astype(np.uint8)
    found = tensor_from_crops(crops, tiny_contract(**IMAGENET))
    for plane, (mean, std) in enumerate(zip(*IMAGENET.values())):
        wanted = (crops[..., plane].astype(np.float64) - mean) / std
        assert np.allclose(found[:, plane], wanted, atol=1e-5)


def test_the_digest_of_a_contract_of_one_scale_stays_what_it_was() -> None:
    """Galleries on devices hold it."""
    found = EmbeddingContract("s", "m", 128).digest
    assert found == "04fb0572c35da10340da3febff66ff4236faa172cbf38499b0c108271038a62b"


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": [1, 2]},
        {"mean": [1, 2, "3"]},
        {"mean": [1, 2, 1e9]},
        {"std": [58.4, 0, 57.4]},
        {"std": [58.4, 57.1, -57.4]},
        {"std": 0},
    ],
)
def test_scales_that_no_picture_has_are_refused(wrong: dict[str, Any]) -> None:
    value = json.loads(json.dumps(tiny_contract().to_json()))
    with pytest.raises(EmbedgeError, match=f"contract.{next(iter(wrong))}: "):
        EmbeddingContract.from_json({**value, **wrong})
