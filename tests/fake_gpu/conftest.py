"""Runs only inside the session that tests/integration/test_on_a_fake_gpu.py starts.

There libcuda.so.1 and `tensorrt` are the fakes of this folder; FAKE_TENSORRT is the generation.
"""

import os
from collections.abc import Iterator

import pytest
from fake_driver import FakeDriver

GENERATION = int(os.environ.get("FAKE_TENSORRT", "0"))
collect_ignore_glob = [] if GENERATION else ["test_*.py"]


@pytest.fixture
def driver() -> Iterator[FakeDriver]:
    """The fake driver, healthy before and after, with nothing left allocated by the test."""
    fake = FakeDriver()
    yield fake
    fake.fail("none", 0)
    fake.capacity(1 << 30)
    fake.uncapturable(False)


@pytest.fixture(params=["pycuda", "cuda-bindings"])
def layer(request: pytest.FixtureRequest) -> str:
    """Both memory layers, each on the real package."""
    module = {"pycuda": "pycuda", "cuda-bindings": "cuda.bindings.driver"}[request.param]
    pytest.importorskip(module, reason=f"{request.param} is not installed here")
    return str(request.param)
