"""Memory that the C library keeps after it was freed."""

import ctypes

__all__ = ["give_back_freed_memory"]


def give_back_freed_memory() -> None:
    """Return freed pages to the system; glibc else keeps blocks of up to 32 MiB for good.

    Laying out a model leaves copies of it behind, three times its size. Other C libraries keep
    little and have no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
