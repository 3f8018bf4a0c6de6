"""embedge: shrink a face-recognition teacher to an edge device without re-enrolling anyone."""

import importlib
from collections.abc import Callable, Mapping

__version__ = "0.1.0"


def named_in(room: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """A room's `__getattr__`: its public names, each imported from its home when first used."""

    def found(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{room}.{homes[name]}"), name)

    return found
