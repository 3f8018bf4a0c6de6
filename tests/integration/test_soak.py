"""Seconds of the soak test that runs for minutes by hand, and that it notices a wrong answer."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from benchmark import benchmark
from in_memory import memory_folder


@dataclass
class _Answer:
    person: str
    cosine: float


@dataclass
class _Gallery:
    """It lists one, then the other, and finds whoever it is told to find."""

    lists: list[list[str]]
    finds: str | None
    asked: list[np.ndarray] = field(default_factory=list)

    def people(self) -> list[str]:
        return self.lists.pop(0)

    def identify(self, row: np.ndarray, *_: object, count: int) -> list[list[_Answer]]:
        self.asked.append(row)
        return [[_Answer(self.finds, 1.0)] if self.finds else []]


def test_a_few_seconds_of_two_processes() -> None:
    soak = benchmark("soak")
    with memory_folder() as folder:
        found = soak.soaked(Path(folder) / "g", seconds=5, processes=2, threads=2)
    print(found)
    assert found["wrong"] == []
    assert found["open_files_after"] == [0, 0]
    assert {"enrol", "identify", "other", "stranger", "erase"} <= set(found["done"])


@pytest.mark.parametrize(
    ("after", "finds", "wrong"),
    [
        (["0-0-1", "1-0-3"], "1-0-3", ""),
        (["0-0-1", "1-0-3"], "0-0-1", "1-0-3 was taken for"),
        (["0-0-1", "1-0-3"], None, "1-0-3 was not found"),
        (["0-0-1"], None, ""),
        (["0-0-1"], "1-0-3", "1-0-3 was taken for"),  # after its erasure
    ],
)
def test_another_ones_person_is_that_one_or_gone(
    after: list[str], finds: str | None, wrong: str
) -> None:
    gallery = _Gallery([["0-0-1", "1-0-3"], after], finds)
    told = benchmark("soak").look_for_another(gallery, "0-0", random.Random(0))
    assert told.startswith(wrong)
    assert bool(told) == bool(wrong)
