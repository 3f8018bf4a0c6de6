"""What happens to blocks when a gallery is written anew."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.gallery.int8 import float_from_int8, int8_from_float
from embedge.runtime.gallery.records import Block, Matrix

__all__ = ["BLOCK_ROWS", "joined_blocks", "turned"]

BLOCK_ROWS = 4096  # templates a frame when many are written at once


def turned(block: Block, turn: NDArray[np.float32], rows: str) -> Block:
    if rows == "int8":
        matrix: Matrix = int8_from_float(
            float_from_int8(np.asarray(block.matrix, np.int8)) @ turn.T
        )
    else:
        matrix = np.asarray(block.matrix, np.float32) @ turn.T
    return Block(block.records, block.people, block.enrolled, block.sources, matrix, block.audit)


def joined_blocks(
    blocks: Iterator[Block], entry: dict[str, Any], dim: int, rows: str
) -> Iterator[Block]:
    """The same templates in few large blocks, the audit trail ending with `entry`."""
    pending: list[Block] = []
    for block in blocks:
        pending.append(block)
        if sum(len(each.records) for each in pending) >= BLOCK_ROWS:
            yield Block.joined(pending)
            pending = []
    none: Matrix = np.empty((0, dim), np.int8) if rows == "int8" else np.empty((0, dim), np.float32)
    last = Block([], [], [], [], none, [entry])
    yield Block.joined([*pending, last])
