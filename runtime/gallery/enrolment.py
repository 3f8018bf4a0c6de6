"""What every gallery asks of embeddings and names before it takes them."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from embedge.errors import EmbedgeError
from embedge.printed import printable
from embedge.runtime.contract import EmbeddingContract, require_same_space
from embedge.runtime.encoders import Embeddings

__all__ = ["LONGEST_NAME", "checked_name", "checked_names", "checked_rows", "now_in_utc"]

LONGEST_NAME = 256  # bytes


def checked_rows(
    embeddings: Embeddings, contract: EmbeddingContract, gallery: EmbeddingContract
) -> Embeddings:
    """float32 (N, dim) of length one, in the gallery's own space."""
    require_same_space(gallery, contract)
    rows = np.atleast_2d(np.asarray(embeddings, np.float32))
    fits = rows.ndim == 2 and rows.shape[1] == gallery.dim
    if fits and (np.abs(np.linalg.norm(rows, axis=1) - 1) < 1e-3).all():
        return rows
    raise EmbedgeError(
        "E-EMBEDDING",
        f"expected embeddings (N, {gallery.dim}) of length one, got shape {rows.shape}",
        remedy="Give what FaceMatcher.embed returns",
    )


def checked_names(people: str | Sequence[str], rows: int) -> list[str]:
    """One name a row; a single name is everybody's. Spellings that look alike are one."""
    names = [people] * rows if isinstance(people, str) else list(people)
    if len(names) != rows:
        raise EmbedgeError(
            "E-PERSON",
            f"{rows} embeddings came with {len(names)} names",
            remedy="Name each person, the same way every time",
        )
    known = {name: checked_name(name) for name in set(names)}
    return [known[name] for name in names]


def checked_name(name: str) -> str:
    """In the composed form (NFC), and fit to be printed."""
    composed = unicodedata.normalize("NFC", name)
    if (
        printable(composed) == composed
        and composed.strip()
        and len(composed.encode()) <= LONGEST_NAME
    ):
        return composed
    raise EmbedgeError(
        "E-PERSON",
        f"a name has 1 to {LONGEST_NAME} bytes and no control characters,"
        f" not '{printable(name[:99])}'",
        remedy="Name each person, the same way every time",
    )


def now_in_utc() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
