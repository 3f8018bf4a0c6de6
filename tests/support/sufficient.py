"""What a figure is where the faces suffice for it."""

from typing import TypeVar

from embedge.calibration.rates import Insufficient

Figure = TypeVar("Figure")


def enough(found: Figure | Insufficient) -> Figure:
    assert not isinstance(found, Insufficient), found
    return found
