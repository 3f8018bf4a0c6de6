from pathlib import Path

import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.cuda.driver import (
    CudaDriver,
    cuda_driver,
    kernel_driver_version,
)
from embedge.runtime.encoders.tensorrt.cuda.failures import cuda_failure
from embedge.runtime.encoders.tensorrt.cuda.layers import open_memory
from embedge.runtime.encoders.tensorrt.cuda.memory import as_bytes


def test_a_machine_without_a_driver_is_normal() -> None:
    driver = cuda_driver("libcuda.so.4711")
    assert driver.devices == ()
    assert driver.problem == "no CUDA driver (libcuda.so.4711 is not on this machine)"
    assert driver.cuda_text == "none"


def test_cuda_version_as_people_write_it() -> None:
    assert CudaDriver(12060, None, (), None).cuda_text == "12.6"
    assert CudaDriver(13000, None, (), None).cuda_text == "13.0"


def test_kernel_module(tmp_path: Path) -> None:
    assert kernel_driver_version(tmp_path) is None
    (tmp_path / "sys/module/nvidia").mkdir(parents=True)
    (tmp_path / "sys/module/nvidia/version").write_text("540.4.0\n")
    assert kernel_driver_version(tmp_path) == "540.4.0"


@pytest.mark.parametrize(
    ("reason", "code", "lost"),
    [
        ("out of memory", "E-CUDA-MEMORY", False),
        ("an illegal memory access was encountered", "E-CUDA-LOST", True),
        ("unspecified launch failure", "E-CUDA-LOST", True),
        ("the launch timed out and was terminated", "E-CUDA-LOST", True),
        ("uncorrectable ECC error encountered", "E-CUDA-LOST", True),
        ("invalid argument", "E-CUDA", False),
        ("invalid device context", "E-CUDA", False),
    ],
)
def test_the_drivers_words_decide_the_code(reason: str, code: str, lost: bool) -> None:
    failure = cuda_failure("cuStreamSynchronize", reason)
    assert (failure.code, failure.lost) == (code, lost)
    assert f"cuStreamSynchronize: {reason}" in failure.what


def test_an_unknown_layer() -> None:
    with pytest.raises(EmbedgeError) as told:
        open_memory("cupy")
    assert told.value.code == "E-CUDA-LAYER"
    assert "pycuda, cuda-bindings" in told.value.remedy


def test_only_contiguous_memory_is_copied() -> None:
    import numpy as np

    whole = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert as_bytes(whole[:2]).nbytes == 32
    assert np.shares_memory(as_bytes(whole), whole)
    with pytest.raises(ValueError, match="contiguous"):
        as_bytes(whole[:, :2])
