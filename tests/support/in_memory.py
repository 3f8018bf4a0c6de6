"""A folder in memory where there is room: galleries sync whatever they write, again and again."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY, ROOM = "/dev/shm", 1 << 28


@contextmanager
def memory_folder() -> Iterator[Path]:
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    with tempfile.TemporaryDirectory(
        dir=MEMORY if roomy else None, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)
