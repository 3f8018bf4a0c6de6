"""A keyed rotation of templates: renewable, and meaningless to whoever lacks the key.

A rotation keeps every cosine, so matching is unchanged, while templates of two keys cannot be
compared with each other. It is no one-way function: with the key, or with as many pairs of plain
and rotated templates as there are dimensions, it is undone by linear algebra.
"""

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.gallery.keys import derived

__all__ = ["rotation_from_key"]


def rotation_from_key(key: bytes, salt: bytes, dim: int) -> NDArray[np.float32]:
    """A random orthogonal matrix, the same wherever the same key and salt are given."""
    gaussian = _gaussian(derived(key, salt, "rotation"), dim * dim).reshape(dim, dim)
    q, r = np.linalg.qr(gaussian)
    # the factorisation is unique, and uniform over rotations, once the diagonal is positive
    return (q * np.sign(np.diag(r))).astype(np.float32)


def _gaussian(key: bytes, count: int) -> NDArray[np.float64]:
    """Normal numbers from a cipher's key stream: numpy's own streams may change by version."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

    pairs = (count + 1) // 2
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
    words = np.frombuffer(stream.update(bytes(pairs * 16)), "<u8").reshape(2, pairs)
    uniform = ((words >> np.uint64(11)) + 0.5) / 2.0**53
    radius, angle = np.sqrt(-2 * np.log(uniform[0])), 2 * np.pi * uniform[1]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
