"""A report without faces: the same figures, nobody's picture."""

import copy
from collections.abc import Mapping
from typing import Any

__all__ = ["without_pictures"]


def without_pictures(report: Mapping[str, Any]) -> dict[str, Any]:
    """A copy whose worst pairs keep their cosines and lose pictures and names."""
    bare: dict[str, Any] = copy.deepcopy(dict(report))
    worst = bare.get("worst") or {}
    for pair in [*worst.get("false_matches", []), *worst.get("false_non_matches", [])]:
        for key in ("a", "b", "label_a", "label_b"):
            pair.pop(key, None)
    return bare
