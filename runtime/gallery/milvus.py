"""The gallery's interface on Milvus, for more people than one file should hold.

`MilvusGallery("people.db", contract)` runs milvus-lite on one file, an address runs on a server.
What the embedded gallery gives and Milvus does not: encryption at rest under your own key, and an
erasure that can be proven; where those matter, they are the server's administration.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from embedge.errors import EmbedgeError
from embedge.files import sha256_json
from embedge.optional import require
from embedge.printed import now_in_utc
from embedge.runtime.closing import Closing
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.enrolment import (
    LONGEST_NAME,
    checked_names,
    checked_rows,
    checked_source,
)
from embedge.runtime.gallery.search.ranking import Ranked
from embedge.runtime.gallery.storage.database import Done

__all__ = ["MilvusGallery"]

_LARGEST_ANSWER = 16384  # Milvus refuses to return more


@dataclass(frozen=True, slots=True)
class _Look:
    """Nothing in Milvus is ever on its way to another model."""

    gallery: "MilvusGallery"
    templates: int
    crossing: None = None

    def search(
        self, embeddings: Embeddings, contract: EmbeddingContract, count: int, handicap: float
    ) -> list[list[Ranked]]:
        return self.gallery.identify(embeddings, contract, count=count, handicap=handicap)


class MilvusGallery(Closing):
    """Enrol, identify, erase and export on a Milvus collection bound to one space."""

    def __init__(
        self, uri: str, contract: EmbeddingContract, *, collection: str = "embedge", token: str = ""
    ) -> None:
        milvus = require("pymilvus", extra="milvus")
        self.contract = contract
        self._name = f"{collection}_{_space_mark(contract)}"
        try:
            self._client = milvus.MilvusClient(uri=uri, token=token)
            self._require_no_other_space(collection)
            if not self._client.has_collection(self._name):
                self._create(milvus)
            self._client.load_collection(self._name)
        except milvus.MilvusException as error:
            raise _failed(error, uri) from error
        self._failure = milvus.MilvusException

    def __len__(self) -> int:
        rows = self._ask("query", filter="", output_fields=["count(*)"])
        return int(rows[0]["count(*)"])

    def people(self) -> list[str]:
        """Everybody's name; read in pages, for as long as it takes."""
        names: set[str] = set()
        pages = self._ask("query_iterator", batch_size=1000, output_fields=["person"])
        while page := pages.next():
            names.update(row["person"] for row in page)
        pages.close()
        return sorted(names)

    def enroll(
        self,
        people: str | Sequence[str],
        embeddings: Embeddings,
        contract: EmbeddingContract,
        *,
        source: str = "",
    ) -> list[str]:
        """Add templates; returns their record ids."""
        rows = checked_rows(embeddings, contract, self.contract)
        names, now = checked_names(people, len(rows)), now_in_utc()
        data = [
            {
                "record": uuid4().hex,
                "person": name,
                "enrolled": now,
                "source": checked_source(source),
                "embedding": row,
            }
            for name, row in zip(names, rows)
        ]
        self._ask("insert", data=data)
        return [str(row["record"]) for row in data]

    def look(self, work: Callable[[_Look], Done]) -> Done:
        """As many templates as there are now: others may enrol some before the search."""
        return work(_Look(self, len(self)))

    def identify(
        self,
        embeddings: Embeddings,
        contract: EmbeddingContract,
        *,
        count: int = 5,
        handicap: float = 0.0,  # noqa: ARG002  of bridged templates, which there are none of
    ) -> list[list[Ranked]]:
        """For each embedding the best `count` people by their best template."""
        queries = checked_rows(embeddings, contract, self.contract)
        return [self._best(query, count) for query in queries]

    def erase(self, person: str, *, prove: bool = False) -> int:
        """Delete a person; how many templates went. Milvus drops the bytes when it compacts."""
        if prove:
            raise EmbedgeError(
                "E-PROOF",
                "an erasure in Milvus cannot be proven byte by byte",
                remedy="Use the embedded gallery where proof is needed",
            )
        found = self._of_person(person, ["record"])
        self._ask("delete", filter=_is(person))
        return len(found)

    def export(self, person: str) -> dict[str, Any]:
        """Everything the collection knows about one person, in plain JSON values."""
        rows = self._of_person(person, ["record", "enrolled", "source", "embedding"])
        templates = [{**row, "embedding": [float(x) for x in row["embedding"]]} for row in rows]
        return {"person": person, "contract": self.contract.to_json(), "templates": templates}

    def close(self) -> None:
        self._client.close()

    def _best(self, query: Embeddings, count: int) -> list[Ranked]:
        """One person may fill the first answers: ask for more until enough people are in."""
        limit = min(max(8 * count, 16), _LARGEST_ANSWER)
        while True:
            (hits,) = self._ask(
                "search",
                data=[query],
                limit=limit,
                output_fields=["person"],
                consistency_level="Strong",
            )
            ranked = [
                Ranked(hit["entity"]["person"], float(hit["distance"]), row).rounded_in()
                for row, hit in enumerate(hits)
            ]
            best: dict[str, Ranked] = {}
            for each in sorted(ranked, key=lambda each: (-each.cosine, each.person)):
                best.setdefault(each.person, each)
            if len(best) > count or len(hits) < limit or limit == _LARGEST_ANSWER:
                return list(best.values())[:count]
            limit = min(4 * limit, _LARGEST_ANSWER)

    def _of_person(self, person: str, fields: list[str]) -> list[dict[str, Any]]:
        rows = self._ask(
            "query", filter=_is(person), output_fields=fields, consistency_level="Strong"
        )
        if rows:
            return [{field: row[field] for field in fields} for row in rows]
        raise EmbedgeError(
            "E-PERSON",
            f"nobody named '{person}' is enrolled",
            remedy="List the names with people()",
        )

    def _ask(self, method: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, method)(collection_name=self._name, **arguments)
        except self._failure as error:
            raise _failed(error, self._name) from error

    def _create(self, milvus: Any) -> None:
        kinds = milvus.DataType
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("record", kinds.VARCHAR, is_primary=True, max_length=32)
        schema.add_field("person", kinds.VARCHAR, max_length=LONGEST_NAME)
        schema.add_field("enrolled", kinds.VARCHAR, max_length=40)
        schema.add_field("source", kinds.VARCHAR, max_length=64)
        schema.add_field("embedding", kinds.FLOAT_VECTOR, dim=self.contract.dim)
        index = self._client.prepare_index_params()
        index.add_index("embedding", index_type="FLAT", metric_type="IP")  # exact
        self._client.create_collection(self._name, schema=schema, index_params=index)

    def _require_no_other_space(self, collection: str) -> None:
        """The space is part of the name: a description is not kept by every Milvus."""
        names = self._client.list_collections()
        others = [name for name in names if re.fullmatch(f"{collection}_[0-9a-f]{{16}}", name)]
        if set(others) <= {self._name}:
            return
        raise EmbedgeError(
            "E-SPACE",
            f"the collection {others[0]} holds embeddings of another space",
            remedy="Use a bundle of the space it was made with, or another collection",
        )


def _space_mark(contract: EmbeddingContract) -> str:
    return sha256_json({"space": contract.space, "dim": contract.dim})[:16]


def _is(person: str) -> str:
    """A filter that no name can break out of."""
    return f"person == {json.dumps(person, ensure_ascii=False)}"


def _failed(error: Exception, where: str) -> EmbedgeError:
    return EmbedgeError(
        "E-MILVUS",
        f"Milvus refused or could not be reached: {getattr(error, 'message', error)}",
        where=where,
        remedy="Check the address, the token and the server's log",
    )
