"""What the connection in use has been told, not what was meant to be said to it."""

from pathlib import Path

import pytest
from gallery_rows import CONTRACT, KEY, create, enrolled, unit

from embedge.runtime import Gallery

MEANT = {
    "synchronous": {2, 3},  # FULL, EXTRA: what was acknowledged survives a power cut
    "secure_delete": {1},
    "journal_mode": {"persist"},
    "trusted_schema": {0},
    "cell_size_check": {1},
    "mmap_size": {0},
}


def require_meant(gallery: Gallery) -> None:
    for kind in (gallery.mirror.reading, gallery.mirror.writing):
        with kind() as (connection, _):
            for pragma, values in MEANT.items():
                assert connection.execute(f"PRAGMA {pragma}").fetchone()[0] in values, pragma


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
