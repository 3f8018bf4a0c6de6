"""The gallery: enrol, identify, erase, hand out, renew."""

import hashlib
import hmac
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.closing import Closing
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.enrolment import checked_names, checked_rows, now_in_utc
from embedge.runtime.gallery.erasure import ErasureProof, traces_of
from embedge.runtime.gallery.file import GalleryFile, new_header
from embedge.runtime.gallery.index import TemplateIndex, require_search
from embedge.runtime.gallery.int8 import float_from_int8, int8_from_float
from embedge.runtime.gallery.keys import derived
from embedge.runtime.gallery.ranking import Ranked
from embedge.runtime.gallery.records import Block, Matrix
from embedge.runtime.gallery.rewriting import BLOCK_ROWS, joined_blocks, turned
from embedge.runtime.gallery.rotation import rotation_from_key

__all__ = ["Gallery", "GalleryInfo"]

_RETRIES = 100  # rewritings that may happen while a reader reads


@dataclass(frozen=True, slots=True)
class GalleryInfo:
    """`bytes` is the file's size; `epoch` counts nothing, it names this writing of the file."""

    people: int
    templates: int
    bytes: int
    rows: str
    cipher: str
    contract: EmbeddingContract
    gallery: str
    epoch: str


class Gallery(Closing):
    """People and their templates; a context manager, safe to share between threads.

    One process at a time may open it `writable`; any number may read beside it, and a reader
    sees what was enrolled or erased the next time it searches.
    """

    def __init__(
        self, file: GalleryFile, key: bytes | None, threads: int, search: str = "onnxruntime"
    ) -> None:
        self._file, self._key, self._threads, self._search = file, key, threads, search
        self._lock = threading.RLock()
        self._load()

    @classmethod
    def create(
        cls,
        path: str | Path,
        contract: EmbeddingContract,
        *,
        key: bytes | None,
        rows: str = "float32",
        threads: int = 1,
        search: str = "onnxruntime",
        unencrypted: bool = False,
    ) -> Self:
        """A new gallery, bound to the contract. Without a key it must be asked for explicitly."""
        require_search(search)
        if key is None and not unencrypted:
            raise EmbedgeError(
                "E-KEY",
                "a gallery holds personal data and no key was given to encrypt it",
                where=path,
                remedy="Make a key with: embedge gallery new-key FILE, and give --key-file FILE",
            )
        if rows not in ("float32", "int8"):
            raise EmbedgeError("E-ROWS", f"rows cannot be {rows}", remedy="Choose float32 or int8")
        header = new_header(contract, rows, key)
        return cls(GalleryFile.create(Path(path), header, key), key, threads, search)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        key: bytes | None = None,
        writable: bool = False,
        threads: int = 1,
        search: str = "onnxruntime",
    ) -> Self:
        """`search` is what scans the templates in memory: onnxruntime, or faiss (extra `faiss`)."""
        require_search(search)
        for _ in range(_RETRIES):
            file = GalleryFile.open(Path(path), key, writable=writable)
            try:
                return cls(file, key, threads, search)
            except EmbedgeError:
                moved = file.moved()
                file.close()
                if not moved:  # else it was rewritten, and the old file wiped, while we read it
                    raise
        raise _restless(Path(path))

    @property
    def contract(self) -> EmbeddingContract:
        return self._file.header.contract

    def __len__(self) -> int:
        """The number of templates."""
        self.refresh()
        return len(self._index)

    def people(self) -> list[str]:
        self.refresh()
        return sorted(self._index.names)

    def info(self) -> GalleryInfo:
        self.refresh()
        header = self._file.header
        return GalleryInfo(
            people=len(self._index.names),
            templates=len(self._index),
            bytes=self._file.path.stat().st_size,
            rows=header.rows,
            cipher=header.cipher,
            contract=header.contract,
            gallery=header.gallery,
            epoch=header.epoch,
        )

    def enroll(
        self,
        people: str | Sequence[str],
        embeddings: Embeddings,
        contract: EmbeddingContract,
        *,
        source: str = "",
    ) -> list[str]:
        """Add templates; returns their record ids once they are on the disk to stay.

        `contract` is that of the encoder: a gallery takes embeddings of its own space only.
        """
        rows = self._rows_of(embeddings, contract)
        names = checked_names(people, len(rows))
        records = [uuid.uuid4().hex for _ in names]
        with self._lock:
            self._require_writable()
            for start in range(0, len(names), BLOCK_ROWS):
                part = slice(start, start + BLOCK_ROWS)
                audit = [self._entry("enrol", name) for name in sorted(set(names[part]))]
                size = len(names[part])
                block = Block(
                    records[part],
                    names[part],
                    [now_in_utc()] * size,
                    [source] * size,
                    rows[part],
                    audit,
                )
                self._file.append(block)
                self._index.add(block)
        return records

    def identify(
        self, embeddings: Embeddings, contract: EmbeddingContract, *, count: int = 5
    ) -> list[list[Ranked]]:
        """For each embedding the best `count` people; a decision is the caller's policy."""
        queries = checked_rows(embeddings, contract, self.contract)
        with self._lock:
            self.refresh()
            return self._index.search(queries @ self._rotation.T, count)

    def erase(self, person: str, *, prove: bool = False) -> ErasureProof:
        """Rewrite the gallery as if the person had never been enrolled.

        The old bytes are overwritten. With `prove` the raw files beside the gallery are then
        searched for every form in which the templates had been stored.
        """
        with self._lock:
            self._require_writable()
            gone = [block for block in self._file.blocks() if person in block.people]
            if not gone:
                raise _nobody(person, self._file.path)
            proof = traces_of(self._file, gone, person, self._plain_rows(gone, person))
            kept = (block.without(person) for block in self._file.blocks())
            self._rewrite(kept, self._entry("erase", person, proof.templates))
            return proof.searched(self._file) if prove else proof

    def compact(self) -> None:
        """Join small blocks into large ones: faster to open, and a new epoch."""
        with self._lock:
            self._require_writable()
            self._rewrite(self._file.blocks(), self._entry("compact"))

    def renew(self, new_key: bytes | None = None) -> None:
        """New encryption and new rotated templates: older copies match nothing any more.

        What it is not: protection of templates from somebody who has file and key.
        """
        if self._key is None:
            raise EmbedgeError(
                "E-KEY",
                "only an encrypted gallery can be renewed",
                where=self._file.path,
                remedy="Create an encrypted gallery and enrol again",
            )
        with self._lock:
            self._require_writable()
            key = new_key or self._key
            old, rows = self._rotation, self._file.header.rows
            header = new_header(self.contract, rows, key)
            turn = _rotation_for(header.gallery, key, self.contract.dim) @ old.T
            blocks = (turned(block, turn, rows) for block in self._file.blocks())
            self._rewrite(blocks, self._entry("renew"), header=header, key=key)

    def export(self, person: str) -> dict[str, Any]:
        """Everything the gallery knows about one person, in plain JSON values."""
        with self._lock:
            self.refresh()
            found = [
                {
                    "record": block.records[row],
                    "enrolled": block.enrolled[row],
                    "source": block.sources[row],
                    "embedding": self._plain(block.matrix[row : row + 1])[0].tolist(),
                }
                for block in self._file.blocks()
                for row, name in enumerate(block.people)
                if name == person
            ]
            if not found:
                raise _nobody(person, self._file.path)
            trail = [entry for entry in self.audit() if entry["who"] == self._pseudonym(person)]
            return {
                "person": person,
                "contract": self.contract.to_json(),
                "templates": found,
                "audit": trail,
            }

    def audit(self) -> Iterator[dict[str, Any]]:
        """What was done and when. People appear as keyed pseudonyms, embeddings never."""
        for block in self._file.blocks():
            yield from block.audit

    def refresh(self) -> None:
        """See what a writer in another process has done since."""
        if self._file.writable:
            return
        with self._lock:
            for _ in range(_RETRIES):
                try:
                    if self._file.moved():
                        self._reopen()
                    else:
                        self._catch_up()
                    return
                except EmbedgeError:
                    if not self._file.moved():
                        raise
            raise _restless(self._file.path)

    def _catch_up(self) -> None:
        known = self._file.advance()
        try:
            new = list(self._file.blocks(known))
        except EmbedgeError:
            self._file.commit = known
            raise
        for block in new:
            self._index.add(block)

    def _reopen(self) -> None:
        reopened = GalleryFile.open(self._file.path, self._key, writable=False)
        old, self._file = self._file, reopened
        old.close()
        self._load()

    def _load(self) -> None:
        header = self._file.header
        index = TemplateIndex(header.contract.dim, header.rows, self._threads, self._search)
        for block in self._file.blocks():
            index.add(block)
        self._index = index
        self._rotation = _rotation_for(header.gallery, self._key, header.contract.dim)

    def _rewrite(
        self,
        blocks: Iterator[Block],
        entry: dict[str, Any],
        *,
        header: Any = None,
        key: bytes | None = None,
    ) -> None:
        old = self._file.header
        header = header or new_header(self.contract, old.rows, self._key, old.gallery)
        key = key or self._key
        self._file.rewrite(joined_blocks(blocks, entry, self.contract.dim, old.rows), header, key)
        self._key = key
        self._index.close()
        self._load()

    def _rows_of(self, embeddings: Embeddings, contract: EmbeddingContract) -> Matrix:
        rows = checked_rows(embeddings, contract, self.contract) @ self._rotation.T
        return int8_from_float(rows) if self._file.header.rows == "int8" else rows

    def _plain(self, matrix: NDArray[Any]) -> Embeddings:
        rows = float_from_int8(matrix) if self._file.header.rows == "int8" else matrix
        plain: Embeddings = np.asarray(rows, np.float32) @ self._rotation
        return plain

    def _plain_rows(self, blocks: Sequence[Block], person: str) -> Embeddings:
        rows = [
            self._plain(block.matrix[[i for i, name in enumerate(block.people) if name == person]])
            for block in blocks
        ]
        return np.concatenate(rows)

    def _entry(self, event: str, person: str | None = None, templates: int = 0) -> dict[str, Any]:
        who = None if person is None else self._pseudonym(person)
        return {"at": now_in_utc(), "event": event, "who": who, "templates": templates}

    def _pseudonym(self, person: str) -> str:
        """The same person, the same letters, for whoever has the key; a riddle for others."""
        salt = bytes.fromhex(self._file.header.gallery)
        secret = salt if self._key is None else derived(self._key, salt, "audit")
        return hmac.new(secret, person.encode(), hashlib.sha256).hexdigest()[:16]

    def _require_writable(self) -> None:
        if not self._file.writable:
            raise EmbedgeError(
                "E-READ-ONLY",
                "this gallery was opened for reading",
                where=self._file.path,
                remedy="Open it with writable=True",
            )

    def close(self) -> None:
        with self._lock:
            self._index.close()
            self._file.close()


def _rotation_for(gallery: str, key: bytes | None, dim: int) -> NDArray[np.float32]:
    if key is None:
        return np.eye(dim, dtype=np.float32)
    return rotation_from_key(key, bytes.fromhex(gallery), dim)


def _restless(path: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-GALLERY-BUSY",
        "the gallery is being rewritten faster than it can be read",
        where=path,
        remedy="Try again when the writer has finished",
    )


def _nobody(person: str, path: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-PERSON",
        f"nobody named '{person}' is enrolled",
        where=path,
        remedy="List the names with: embedge gallery people GALLERY",
    )
