"""Whatever a test of the gallery writes, it writes in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from in_memory import memory_folder


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder
