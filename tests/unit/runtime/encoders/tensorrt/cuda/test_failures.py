import pytest

from embedge.runtime.encoders.tensorrt.cuda.failures import cuda_failure


@pytest.mark.parametrize(
    ("reason", "code", "lost"),
    [
        ("out of memory", "E-CUDA-MEMORY", False),
        ("an illegal memory access was encountered", "E-CUDA-LOST", True),
        ("the launch timed out and was terminated", "E-CUDA-LOST", True),
        ("uncorrectable ECC error encountered", "E-CUDA-LOST", True),
        ("device kernel image is invalid", "E-CUDA", False),
    ],
)
def test_the_drivers_words_say_what_is_left(reason: str, code: str, lost: bool) -> None:
    found = cuda_failure("cuMemAlloc", reason)
    assert (found.code, found.lost) == (code, lost)
    assert f"cuMemAlloc: {reason}" in found.what
