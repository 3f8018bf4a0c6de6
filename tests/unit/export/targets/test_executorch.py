"""What is written for ExecuTorch is XNNPACK's to the last layer, and INT8 stays near its float."""

import numpy as np
import pytest
import torch
from small_face import small_face, smooth_pictures
from torch import nn

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract

pytest.importorskip("executorch", reason="pip install 'embedge[executorch]'")

from embedge.export.targets.executorch import (
    executorch_from_network,
    executorch_int8_from_network,
)
from embedge.runtime.encoders.executorch.encoder import ExecuTorchEncoder

PICTURES = smooth_pictures(24)
CONTRACT = EmbeddingContract("s", "m", 16)


def test_int8_is_smaller_and_near_its_float() -> None:
    network = small_face("relu")
    floats = executorch_from_network(network, CONTRACT)
    integers = executorch_int8_from_network(network, PICTURES[:16], CONTRACT)
    assert floats.tools["executorch"]
    assert len(integers.files[".pte"]) < 0.6 * len(floats.files[".pte"])
    with (
        ExecuTorchEncoder(floats.files[".pte"], CONTRACT, threads=1) as known,
        ExecuTorchEncoder(integers.files[".pte"], CONTRACT, threads=1) as found,
    ):
        cosine = np.sum(known.embed(PICTURES[16:]) * found.embed(PICTURES[16:]), axis=1)
    assert 0.95 < cosine.min() < 0.999999


def test_what_xnnpack_does_not_compute_is_told() -> None:
    class Odd(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.erf(image).mean((2, 3))

    with pytest.raises(EmbedgeError, match=r"E-TARGET.*XNNPACK leaves out.*erf"):
        executorch_from_network(Odd().eval(), CONTRACT)
