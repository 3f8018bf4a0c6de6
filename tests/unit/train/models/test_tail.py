from typing import Any

import pytest
import torch

from embedge.train.models import mobilefacenet
from embedge.train.models.iresnet import iresnet


@pytest.mark.parametrize(
    "network", [mobilefacenet(8, scale=1, width=0.125), iresnet(18, 8, channels=(8, 8, 8, 8))]
)
def test_behind_a_rounded_trunk_the_embedding_is_made_in_full_precision(network: Any) -> None:
    faces = torch.randn(4, 3, 112, 112)
    kinds = []
    network.features.register_forward_pre_hook(lambda _, given: kinds.append(given[0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        network(faces)
        network.fp32_tail = True
        full = network(faces)
    assert kinds == [torch.bfloat16, torch.float32]
    assert full.dtype == torch.float32
