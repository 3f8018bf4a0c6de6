"""embedge: shrink a face-recognition teacher to an edge device without re-enrolling anyone."""

import importlib
from collections.abc import Callable, Mapping

__version__ = "0.1.0"


def named_in(room: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """A room's `__getattr__`: the public names of its homes, each imported when first used."""

    def found(name: str) -> object:
        for home, names in homes.items():
            if name in names.split():
                return getattr(importlib.import_module(f"{room}.{home}"), name)
        raise AttributeError(f"module {room!r} has no attribute {name!r}")

    return found
