"""What a technology test has to report, item by item: told, or marked missing.

The items follow the topics of ISO/IEC 19795-1:2021 (second edition, May 2021) in words of our own;
neither their wording nor their order was verified against the published text.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["ITEMS", "STATED", "Entry", "checklist"]

# what only whoever tested can tell, and how the item is called
STATED: Final = {
    "purpose": "Purpose of the test and the application it stands for",
    "tester": "Who tested, and how independent of the maker",
    "population": "Who the people are, how they were chosen, what of it is unlike the users",
    "capture": "Cameras, light, pose and other conditions of capture",
    "interval": "Time between the pictures of one person",
    "consent": "On what ground the pictures may be used",
    "throughput": "Time that a decision takes on the device",
}
ITEMS: Final = (
    ("kind", "Kind of test"),
    ("system", "What was tested, by its bytes"),
    ("corpus", "Which pictures, by their bytes"),
    ("size", "People, pictures and comparisons"),
    ("selection", "Which pictures and comparisons were left out, and by what rule"),
    ("separation", "None of the people was used to make the system"),
    ("threshold", "How the threshold was set, and on whom"),
    ("attempts", "Attempts in a transaction"),
    ("acquisition", "Failure to acquire and to enrol"),
    ("matching", "FMR and FNMR at the threshold, with the counts of errors"),
    ("system_rates", "FAR and FRR, failures to acquire included"),
    ("curve", "The trade-off over all thresholds (DET)"),
    ("uncertainty", "Uncertainty of every rate, and by what method"),
    ("groups", "Performance by demographic group (ISO/IEC 19795-10:2024)"),
    ("attacks", "Presentation attacks"),
    ("deviations", "Where the test departs from the standard"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """`answer` is empty where the item is missing."""

    item: str
    asked: str
    status: Literal["filled", "partly", "missing", "not applicable"]
    answer: str = ""

    def __post_init__(self) -> None:
        if (self.status == "missing") != (not self.answer):
            raise ValueError(f"the item {self.item} is {self.status}, which its answer contradicts")


def checklist(
    answers: Mapping[str, str], stated: Mapping[str, str], partly: Collection[str] = ()
) -> tuple[Entry, ...]:
    """Every item once; those without an answer are missing, and some are told only `partly`."""
    entries = [_entry(item, asked, answers.get(item, ""), item in partly) for item, asked in ITEMS]
    entries += [_entry(item, asked, stated.get(item, "").strip()) for item, asked in STATED.items()]
    return tuple(entries)


def _entry(item: str, asked: str, answer: str, partly: bool = False) -> Entry:
    if not answer:
        return Entry(item, asked, "missing")
    if item == "attacks":
        return Entry(item, asked, "not applicable", answer)
    return Entry(item, asked, "partly" if partly else "filled", answer)
