"""A thousand hostile galleries, seeded: each is opened or refused, soon and in little memory."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from gallery_rows import unit
from hostile_child import found_by
from in_memory import memory_folder
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.sealed.sealing import place, sealed

CONTRACT = tiny_contract(16)
MEGABYTES = 64  # for all of them together


@pytest.mark.parametrize("kind", ["encrypted", "plain"])
def test_a_thousand_hostile_galleries(kind: str) -> None:
    with memory_folder() as memory:
        found = found_by("hostile_galleries.py", kind, memory)
    opened = found["codes"].pop("taken")
    assert all(code.startswith(("E-GALLERY", "E-KEY")) for code in found["codes"])
    assert opened + sum(found["codes"].values()) == 1000
    assert 0 < opened < 500
    assert found["grew"] < MEGABYTES << 20


@pytest.mark.parametrize(
    "change", [{"next_record": "7"}, {"people": 2.0}, {"secret": "\ud800"}, {"next_audit": 2**63}]
)
def test_the_state_of_an_open_gallery_in_another_hand(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    path = tmp_path / "open"
    with Gallery.create(path, CONTRACT, key=None, unencrypted=True) as gallery:
        gallery.enroll(["ann", "ben"], unit(1, 2, 16), CONTRACT)
        ledger, told = gallery.look(lambda seen: (seen.ledger, seen.state.to_bytes()))
    state = json.loads(told)
    forged = json.dumps({**state, **change}).encode()
    with closing(sqlite3.connect(path)) as connection, connection:
        row = sealed(ledger._state, forged, place(ledger._root, "S"))
        connection.execute("UPDATE state SET sealed = ?", (row,))
    with pytest.raises(EmbedgeError, match=r"E-GALLERY: .*its state"):
        Gallery.open(path)
