"""A file's bytes, read past SQLite: it may be a gallery that this process has open."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from embedge.runtime.gallery.storage.registry import let_go

__all__ = ["Raw", "raw"]


_CHUNK = 1 << 22


class Raw:
    """It is not mapped: who shortens the file meanwhile would kill whoever looks at a map."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path, self._descriptor = path, stream.fileno()
        self.size = os.fstat(self._descriptor).st_size

    def read(self, start: int, length: int) -> bytes:
        """Fewer bytes at the file's end only."""
        parts = []
        while length > 0 and (part := os.pread(self._descriptor, length, start)):
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return b"".join(parts)

    def parts(self) -> Iterator[bytes]:
        """All of it, as long as it is now."""
        start = 0
        while part := self.read(start, _CHUNK):
            yield part
            start += len(part)


@contextmanager
def raw(path: Path) -> Iterator[Raw]:
    stream = path.open("rb", buffering=0)
    try:
        yield Raw(path, stream)
    finally:
        let_go(stream)
