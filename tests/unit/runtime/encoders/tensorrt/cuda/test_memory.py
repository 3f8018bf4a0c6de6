import numpy as np
import pytest

from embedge.runtime.encoders.tensorrt.cuda.memory import as_bytes


def test_the_same_memory_as_bytes_and_never_a_copy() -> None:
    array = np.zeros((2, 3), np.float32)
    flat = as_bytes(array)
    flat[:] = 255
    assert flat.shape == (24,)
    assert np.isnan(array).all()
    with pytest.raises(ValueError, match="contiguous"):
        as_bytes(array[:, ::2])
