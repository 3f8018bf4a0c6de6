"""Made-up embeddings, and a gallery to put them in."""

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tiny_bundles import tiny_contract

from embedge.runtime import Gallery
from embedge.runtime.contract import EmbeddingContract

__all__ = [
    "CONTRACT",
    "DIM",
    "KEY",
    "ann_and_ben",
    "create",
    "enrolled",
    "is_locked",
    "near",
    "sql",
    "top",
    "unit",
]

DIM = 64
CONTRACT = tiny_contract(DIM)
KEY = bytes(range(32))
_ASKED = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError:
    sys.exit(7)
"""


def unit(seed: int, count: int = 1, dim: int = DIM) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def near(rows: np.ndarray, seed: int, noise: float = 0.05) -> np.ndarray:
    rows = rows + noise * np.random.default_rng(seed).normal(size=rows.shape).astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def create(folder: Path, key: bytes | None = KEY, rows: str = "float32") -> Gallery:
    path = folder / "people.gallery"
    return Gallery.create(path, CONTRACT, key=key, rows=rows, unencrypted=key is None)


def top(gallery: Gallery, query: np.ndarray, count: int = 3) -> list[tuple[str, float]]:
    (ranked,) = gallery.identify(query, CONTRACT, count=count)
    return [(each.person, each.cosine) for each in ranked]


def enrolled(folder: Path, contract: EmbeddingContract) -> Path:
    """p0 to p3, two templates each."""
    path = folder / "people.gallery"
    with Gallery.create(path, contract, key=KEY) as gallery:
        for number in range(4):
            gallery.enroll(f"p{number}", unit(number, 2, contract.dim), contract)
    return path


def ann_and_ben(path: Path, contract: EmbeddingContract) -> Path:
    """One template each."""
    with Gallery.create(path, contract, key=KEY) as gallery:
        gallery.enroll(["ann", "ben"], unit(1, 2, contract.dim), contract)
    return path


def is_locked(path: Path) -> bool:
    """As another process sees it."""
    return subprocess.run([sys.executable, "-c", _ASKED, path], check=False).returncode == 7


def sql(path: Path, *statements: str) -> list[tuple[Any, ...]]:
    """As somebody who can write the file, past the gallery."""
    connection = sqlite3.connect(path)
    try:
        found: list[tuple[Any, ...]] = []
        for statement in statements:
            found += connection.execute(statement).fetchall()
        connection.commit()
    finally:
        connection.close()
    return found
