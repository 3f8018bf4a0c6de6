"""Files that strangers may have put there: regular ones only, never more bytes than allowed."""

import errno
import os
import stat
from pathlib import Path, PurePath
from typing import BinaryIO

__all__ = ["TooLarge", "opened", "read_bytes"]


class TooLarge(OSError):
    """The file has more bytes than whoever asked can use."""


def opened(path: PurePath, *, follow: bool = True, within: int | None = None) -> BinaryIO:
    """A regular file to read, from the folder `within` (a descriptor) where one is given.

    A pipe, a device or a folder is an OSError and is not waited for.
    """
    more = getattr(os, "O_NONBLOCK", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))
    # whoever is interrupted meanwhile leaves one owner of the descriptor, which closes it once
    stream = open(  # noqa: SIM115
        path, "rb", opener=lambda name, flags: os.open(name, flags | more, dir_fd=within)
    )
    try:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is a folder, a pipe or a device, not a file", str(path))
    except BaseException:
        stream.close()
        raise
    return stream


def read_bytes(path: Path, most: int, *, follow: bool = True) -> bytes:
    """The whole file, or TooLarge; a file that grows meanwhile is too large as well."""
    with opened(path, follow=follow) as stream:
        size = os.fstat(stream.fileno()).st_size
        data = stream.read(min(size, most) + 1)
        if size > most or len(data) > size:
            raise TooLarge(errno.EFBIG, f"it has more than {most} bytes", str(path))
        return data
