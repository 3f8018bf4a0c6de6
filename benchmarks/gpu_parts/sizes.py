"""How much of everything: as a GPU can take it, or as little as shows that a part runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["SIZES", "Part", "Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    device: str
    amp: str
    batch: int
    dim: int
    classes: tuple[int, ...]
    """of the heads"""
    people: int
    """of the training's head"""
    pictures: int
    steps: int
    width: float
    """of the student"""
    depths: tuple[int, ...]
    """of the teachers"""
    channels: tuple[int, int, int, int]
    asked: int
    """pictures that a teacher is asked about"""
    side: int
    """of the square matrices that are multiplied"""
    repeats: int
    recipe_steps: int


SIZES = {
    "cuda": Sizes(
        device="cuda",
        amp="bf16",
        batch=1024,
        dim=512,
        classes=(10_000, 93_431, 360_232, 1_000_000),
        people=93_431,
        pictures=16_384,
        steps=60,
        width=1.0,
        depths=(50, 100),
        channels=(64, 128, 256, 512),
        asked=16_384,
        side=8192,
        repeats=20,
        recipe_steps=300,
    ),
    "cpu": Sizes(
        device="cpu",
        amp="fp32",
        batch=8,
        dim=16,
        classes=(200, 400, 600, 800),
        people=6,
        pictures=24,
        steps=4,
        width=0.125,
        depths=(18,),
        channels=(16, 16, 16, 16),
        asked=8,
        side=128,
        repeats=2,
        recipe_steps=2,
    ),
}


@dataclass(frozen=True, slots=True)
class Part:
    work: Callable[[Sizes], dict[str, Any]]
    seconds: int
    """that it may take on a GPU"""
    says: str
