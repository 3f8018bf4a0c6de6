"""What every gallery asks of embeddings and names before it takes them."""

import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import SupportsIndex

import numpy as np

from embedge.errors import EmbedgeError, ours
from embedge.printed import JOINERS, printable
from embedge.runtime.contract import EmbeddingContract, require_same_space
from embedge.runtime.encoders import Embeddings, lengths_of

__all__ = [
    "LONGEST_NAME",
    "checked_name",
    "checked_names",
    "checked_rows",
    "checked_source",
    "folded",
]

LONGEST_NAME = 256  # bytes
_LONGEST_SOURCE = 64  # letters
_SYMBOLS = ("So", "Sk")
_EMOJI_STYLE = "\ufe0f"
# Default_Ignorable_Code_Point where a category of its own does not tell (DerivedCoreProperties.txt
# of Unicode 16), and letters and symbols that are drawn as nothing; first and last of each range.
_UNSEEN = (
    *((0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800)),
    *((0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0x16FE4, 0x16FE4)),
    *((0x1D159, 0x1D159), (0xE0100, 0xE01EF)),
)


def checked_rows(
    embeddings: Embeddings, contract: EmbeddingContract, gallery: EmbeddingContract
) -> Embeddings:
    """float32 (N, dim) of length one, in the gallery's own space; a copy, as the caller may write
    another face into the array before this one is stored."""
    if not isinstance(contract, EmbeddingContract):
        what = f"a contract says which space embeddings are of, {type(contract).__name__} does not"
        raise EmbedgeError("E-SPACE", what, remedy="Give the contract of the bundle or encoder")
    require_same_space(gallery, contract)
    try:
        _require_whole(embeddings)
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.atleast_2d(np.array(embeddings, np.float32))
            fits = rows.ndim == 2 and rows.shape[1] == gallery.dim
            if fits and (np.abs(lengths_of(rows) - 1) < 1e-3).all():
                return rows
        got = f"shape {rows.shape}"
    except ours((TypeError, ValueError)):
        got = f"{type(embeddings).__name__} that is no array of numbers"
    raise EmbedgeError(
        "E-EMBEDDING",
        f"expected embeddings (N, {gallery.dim}) of length one, got {got}",
        remedy="Give what FaceMatcher.embed returns",
    )


def _require_whole(embeddings: Embeddings) -> None:
    """Refuse what numpy would take a part of without a word."""
    if np.iscomplexobj(embeddings) or np.ma.is_masked(embeddings):
        raise TypeError


def checked_names(people: str | Sequence[str], rows: int) -> list[str]:
    """One name a row; a single name is everybody's. Spellings that look alike are one."""
    if isinstance(people, str):
        people = [people] * rows
    names = list(people) if isinstance(people, Iterable) else [people]
    if len(names) != rows:
        raise _unfit(f"{rows} embeddings came with {len(names)} names")
    known, first = dict[str, str](), dict[str, str]()
    for name in names:
        if not isinstance(name, str) or name not in known:
            composed = checked_name(name)
            known[name] = first.setdefault(folded(composed), composed)
    return [known[name] for name in names]


def checked_name(name: str) -> str:
    """In the composed form (NFC), and fit to be printed."""
    if not isinstance(name, str):
        raise _unfit(f"a name is text, not {type(name).__name__}")
    composed = unicodedata.normalize("NFC", name)
    plain = printable(composed, keep=JOINERS) == composed and composed.strip(" ") == composed != ""
    fits = plain and _joins(composed) and not _hides(composed)
    if fits and len(composed.encode()) <= LONGEST_NAME:
        return composed
    if plain and _hides(composed):
        raise _unfit(f"a name has no characters that nobody sees, and {composed[:99]!a} has one")
    told = f"a name has 1 to {LONGEST_NAME} bytes, no blanks around it and no control characters"
    raise _unfit(f"{told}, not '{printable(name[:99])}'")


def _joins(name: str) -> bool:
    """Whether every joiner is between letters, or between emoji."""
    kinds = [unicodedata.category(char) for char in f" {name} "]
    fits = [kind[0] == "L" or kind in _SYMBOLS for kind in kinds]
    return all(
        (fits[at] or kinds[at][0] == "M") and fits[at + 2]
        for at, char in enumerate(name)
        if char in JOINERS
    )


def _hides(name: str) -> bool:
    """Whether a character is drawn as nothing; an emoji may ask to be drawn in colour."""
    return any(
        first <= ord(char) <= last
        for before, char in zip(f" {name}", name)
        if not (char == _EMOJI_STYLE and unicodedata.category(before) in _SYMBOLS)
        for first, last in _UNSEEN
    )


def folded(name: str) -> str:
    """Equal for names that look alike: joiners, and the style of an emoji, are not seen."""
    if name.isascii():
        return name
    seen = name.translate(dict.fromkeys(map(ord, JOINERS + _EMOJI_STYLE)))
    return unicodedata.normalize("NFC", seen)


def _unfit(what: str) -> EmbedgeError:
    return EmbedgeError("E-PERSON", what, remedy="Name each person, the same way every time")


def checked_source(source: str) -> str:
    """Where templates come from, as much as is kept of it."""
    with suppress(AttributeError, UnicodeEncodeError):
        source.encode()
        return source[:_LONGEST_SOURCE]
    raise EmbedgeError(
        "E-SOURCE",
        f"where templates come from is told in text, not as {printable(repr(source))[:99]}",
        remedy="Give `source` as text that UTF-8 can hold, or leave it out",
    )


def require_count(count: int) -> None:
    """How many candidates are asked for."""
    if not isinstance(count, SupportsIndex) or count < 1:
        raise EmbedgeError(
            "E-COUNT", f"{count} people cannot be listed", remedy="Ask for 1 or more"
        )
