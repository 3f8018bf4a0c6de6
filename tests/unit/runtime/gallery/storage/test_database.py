"""What the connection in use has been told, not what was meant to be said to it."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from gallery_rows import CONTRACT, KEY, create, enrolled, unit

from embedge.runtime import Gallery

MEANT: dict[str, set[Any]] = {
    "synchronous": {2, 3},  # FULL, EXTRA: what was acknowledged survives a power cut
    "secure_delete": {1},
    "journal_mode": {"persist"},
    "trusted_schema": {0},
    "cell_size_check": {1},
    "mmap_size": {0},
}


def require_meant(gallery: Gallery) -> None:
    def told(connection: sqlite3.Connection, _: object) -> dict[str, Any]:
        return {one: connection.execute(f"PRAGMA {one}").fetchone()[0] for one in MEANT}

    for found in (gallery.mirror.read(told), gallery.mirror.write(told)):
        for pragma, values in MEANT.items():
            assert found[pragma] in values, pragma


def test_of_a_new_gallery(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        require_meant(gallery)


@pytest.mark.parametrize("moved", [False, True])
def test_of_one_that_is_opened(tmp_path: Path, moved: bool) -> None:
    path = enrolled(tmp_path, CONTRACT)
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        if moved:  # then the connection is another one
            path.write_bytes(path.rename(tmp_path / "before").read_bytes())
        gallery.enroll("eve", unit(9), CONTRACT)
        gallery.compact()
        require_meant(gallery)
