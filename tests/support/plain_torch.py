"""Training without its compiled kernels, to compare with."""

from contextlib import AbstractContextManager
from unittest.mock import patch

from embedge.train.models.quick import compiled

__all__ = ["switched_off"]


def switched_off() -> AbstractContextManager[object]:
    """In plain torch for a while."""
    return patch.object(compiled, "_library", lambda: None)
