"""How far a gallery is on its way to another space; a part of its sealed state."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.gallery.sealed.templates import BRIDGED, Template
from embedge.runtime.threshold import Threshold
from embedge.typed import Bound

__all__ = ["Counted", "Crossing"]

Count = Annotated[int, Bound(0, 1 << 62)]


@dataclass(frozen=True, slots=True)
class Counted:
    """What joins or leaves a gallery: templates that are searched, that are not, bridged ones."""

    searched: int = 0
    hidden: int = 0
    bridged: int = 0


@dataclass(frozen=True, slots=True)
class Crossing:
    """Records up to `done` have a template in both spaces; `across` says which is searched.

    `hidden` templates are in the other space, `bridged` were calculated and not yet replaced. Once
    the old ones are erased (`kept` is false), the header's own space is the new one.
    """

    contract: EmbeddingContract
    bridge: str
    thresholds: tuple[Threshold, ...]
    across: bool = False
    kept: bool = True
    done: Count = 0
    hidden: Count = 0
    bridged: Count = 0

    @property
    def marks(self) -> bool:
        """Whether templates that are searched may be bridged ones."""
        return self.bridged > 0 and (self.across or not self.kept)

    def counted(self, templates: Sequence[Template]) -> Counted:
        searched = sum(each.at(across=self.across) is not None for each in templates)
        hidden = sum(each.at(across=not self.across) is not None for each in templates)
        return Counted(searched, hidden, sum(each.mark >= BRIDGED for each in templates))

    def without(self, gone: Counted) -> "Crossing | None":
        """After some have left; over, once nothing is kept and nobody is bridged."""
        left = replace(self, hidden=self.hidden - gone.hidden, bridged=self.bridged - gone.bridged)
        return left if left.kept or left.bridged else None
