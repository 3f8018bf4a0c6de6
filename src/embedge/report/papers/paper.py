"""A document of figures: JSON that is signed, and a page drawn from exactly that JSON."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from embedge.errors import EmbedgeError
from embedge.files import write_bytes, write_text
from embedge.runtime.bundle.signature import sign_bytes
from embedge.runtime.bundle.trust import Signature, require_trusted
from embedge.runtime.reading import read_bytes
from embedge.strict.json_text import json_value
from embedge.typed import Mistakes, plain, structured

__all__ = [
    "paper_bytes",
    "paper_from_bytes",
    "read_paper",
    "require_signed",
    "sha256_of",
    "sign_paper",
    "signature_path",
    "write_paper",
]

T = TypeVar("T")
_LARGEST = 64 << 20


def paper_bytes(paper: Any) -> bytes:
    text = json.dumps(plain(paper), indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def paper_from_bytes(kind: type[T], data: bytes, *, where: str | Path | None = None) -> T:
    """Every figure is held against the others: what contradicts itself is refused."""
    try:
        return structured(kind, json_value(data))
    except (Mistakes, ValueError) as error:
        raise EmbedgeError(
            "E-PAPER",
            f"this is no sound {kind.__name__.lower()}: {error}",
            where=where,
            remedy="Give the JSON file as embedge wrote it, or have it made again",
        ) from error


def write_paper(paper: T, page: str, folder: Path, name: str) -> Path:
    """NAME.json and NAME.html; an older signature goes, because it signed something else."""
    data = paper_bytes(paper)
    paper_from_bytes(type(paper), data)
    path = folder / f"{name}.json"
    signature_path(path).unlink(missing_ok=True)
    write_bytes(path, data)
    write_text(folder / f"{name}.html", page)
    return path


def signature_path(paper: Path) -> Path:
    return paper.with_name(f"{paper.name}.ed25519")


def sign_paper(paper: Path, key: Path, password: bytes | None = None) -> Signature:
    """Sign the bytes of the JSON file; the signature lies beside it."""
    return sign_bytes(read_paper(paper), signature_path(paper), key, password)


def require_signed(paper: Path, trusted: Sequence[Path]) -> bytes:
    """The bytes of a document that one of these keys has signed, before anybody parses them."""
    data, beside = read_paper(paper), signature_path(paper)
    signature = read_bytes(beside, 4096) if beside.exists() else None
    require_trusted(data, signature, trusted, f"document {paper.name}")
    return data


def sha256_of(paper: Any) -> str:
    return hashlib.sha256(paper_bytes(paper)).hexdigest()


def read_paper(path: Path) -> bytes:
    try:
        return read_bytes(path, _LARGEST)
    except OSError as error:
        raise EmbedgeError(
            "E-PAPER",
            f"the document cannot be read: {error.strerror}",
            where=path,
            remedy="Give the JSON file that embedge certify or embedge dossier wrote",
        ) from error
