import json

import numpy as np
from tiny_bundles import tiny_contract

from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops

IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}


def test_a_contract_of_three_colours_survives_json():
    for contract in (tiny_contract(), tiny_contract(**IMAGENET)):
        found = EmbeddingContract.from_json(json.loads(json.dumps(contract.to_json())))
        assert (found, found.digest) == (contract, contract.digest)


def test_each_colour_has_its_own_scale():
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3)).astype(np.uint8)
    found = tensor_from_crops(crops, tiny_contract(**IMAGENET))
    for plane, (mean, std) in enumerate(zip(*IMAGENET.values())):
        wanted = (crops[..., plane].astype(np.float64) - mean) / std
        assert np.allclose(found[:, plane], wanted, atol=1e-5)
