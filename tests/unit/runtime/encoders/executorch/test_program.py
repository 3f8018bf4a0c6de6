"""One pool of threads is all programs' of a process, and no program outlives its bytes."""

import numpy as np
import pytest
import torch
from small_face import small_face

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract

pytest.importorskip("executorch", reason="pip install 'embedge[executorch]'")

from embedge.export.targets.executorch import executorch_from_network
from embedge.runtime.encoders.executorch.program import LoadedProgram


@pytest.fixture(scope="module")
def model() -> bytes:
    contract = EmbeddingContract("s", "m", 16)
    return executorch_from_network(small_face("relu"), contract).files[".pte"]


def test_a_number_of_threads_is_kept_while_a_program_lives(model: bytes) -> None:
    first = LoadedProgram(model, 1)
    with pytest.raises(EmbedgeError, match=r"E-THREADS.*on 1 threads.*not on 2"):
        LoadedProgram(model, 2)
    again = LoadedProgram(model, 1)
    picture = torch.zeros(1, 3, 112, 112)
    one, other = (program.method([picture])[0] for program in (first, again))
    np.testing.assert_array_equal(one.numpy(), other.numpy())
