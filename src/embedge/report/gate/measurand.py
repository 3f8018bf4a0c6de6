"""What a gate measures, as data: verdicts are compared and checked by it, never by a sentence."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from embedge.calibration.evaluation.figures import Key, Share, Side

__all__ = [
    "CROSS",
    "FLOAT",
    "NETWORK",
    "OTHER",
    "OWN",
    "THRESHOLD_LOOKED",
    "Checked",
    "Figure",
    "Measurand",
]

Figure = Literal[
    "cosine-p1",
    "cosine-min",
    "tar-lost",
    "tar",
    "eer",
    "threshold-fmr",
    "fmr-over-promise",
    "faults",
    "held-out-faults",
    "compatibility",
    "separation",
    "false-matches",
    "other",
]
Checked = Literal["leaks", "copies", "pairs", "labels", "threshold"]
# so are the pictures told that a threshold was set on
THRESHOLD_LOOKED = "pictures that set its threshold were looked for"

FLOAT = "fp32"  # the artifact that others are held against
NETWORK = "network"  # what was trained or given, before it was exported
_STUDENT = Side("student", FLOAT)
# comparisons that a run judges: its student alone, and with the teacher's gallery
OWN: Final = Key(_STUDENT, _STUDENT)
CROSS: Final = Key(Side("teacher"), _STUDENT)


@dataclass(frozen=True, slots=True)
class Measurand:
    """`of` is an artifact, and a gate's own name where the figure is `other`.

    `key` is the comparison; of one model alone, it names the model. `against`, `fmr` and `checked`
    (the faults looked for) are the question. `on`: the device that a merged report has it from.
    """

    figure: Figure = "other"
    of: str = ""
    key: Key | None = None
    against: str = ""
    fmr: Share | None = None
    checked: tuple[Checked, ...] = ()
    on: str = ""

    @property
    def identity(self) -> "Measurand":
        """The same in two reports that may ask differently of it."""
        return replace(self, against="", fmr=None, checked=())


OTHER = Measurand()
