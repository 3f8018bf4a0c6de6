"""Two embedding spaces, a bridge between them, and people in both."""

import numpy as np

from embedge.runtime.bridge import Bridge, End, Hidden
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.threshold import Threshold

OLD = EmbeddingContract("old space", "o" * 64, 16)
NEW = EmbeddingContract("new space", "n" * 64, 24)


def rows(seed: int, count: int, dim: int = OLD.dim) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def threshold(value: float = 0.5, fmr: float = 1e-4) -> Threshold:
    return Threshold(value, fmr, fmr / 2, fmr, 0.95, 10**7, 5000, "strangers", "bridged")


def bridge(old: EmbeddingContract = OLD, new: EmbeddingContract = NEW) -> Bridge:
    """An embedding without loss, a little bent."""
    draw = np.random.default_rng(77)
    linear = np.linalg.qr(draw.normal(size=(new.dim, old.dim)))[0].astype(np.float32)
    hidden = Hidden(
        "tanh",
        draw.normal(size=(6, old.dim)).astype(np.float32),
        draw.normal(size=6).astype(np.float32),
        0.05 * draw.normal(size=(new.dim, 6)).astype(np.float32),
    )
    gauge = draw.normal(size=1 + old.dim + 6).astype(np.float32) / np.float32(20)
    offset = np.zeros(new.dim, np.float32)
    ends = End.of(old), End.of(new)
    return Bridge(*ends, linear, offset, hidden, gauge, threshold(), facts={"kind": "test"})


def carried(templates: np.ndarray) -> np.ndarray:
    """What a migration makes of all the templates of one person."""
    mean = templates.mean(axis=0) if len(templates) > 1 else 0
    return bridge().apply(templates + mean)
