"""What a caller does with their own key and arrays after a call has begun changes nothing."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gallery_rows
import numpy as np
import pytest
from gallery_rows import KEY
from tiny_bundles import tiny_contract
from two_galleries import NEW, OLD, bridge, rows

from embedge.runtime import Gallery
from embedge.runtime.gallery.mending import check, recover
from embedge.runtime.gallery.migration.going import forget, migrate
from embedge.runtime.gallery.mirror import Mirror

CONTRACT = tiny_contract(16)
unit = partial(gallery_rows.unit, dim=16)


def wiped(key: bytearray) -> None:
    key[:] = bytes(len(key))


def renewed(path: Path) -> None:
    with Gallery.open(path, key=(key := bytearray(KEY)), writable=True) as gallery:  # type: ignore[arg-type]
        wiped(key)
        gallery.renew()
        assert gallery.people() == ["ann"]


def renewed_under_another(path: Path) -> None:
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.renew(key := bytearray(KEY[::-1]))  # type: ignore[arg-type]
        wiped(key)
        gallery.renew()
        gallery.renew(KEY)


def carried_for_good(path: Path) -> None:
    with Gallery.open(path, key=(key := bytearray(KEY)), writable=True) as gallery:  # type: ignore[arg-type]
        wiped(key)
        migrate(gallery, bridge(), NEW)
        forget(gallery)


@pytest.mark.parametrize("work", [renewed, renewed_under_another, carried_for_good])
def test_a_key_that_its_owner_wipes_stays_the_gallerys(
    tmp_path: Path, work: Callable[..., Any]
) -> None:
    path = tmp_path / "g"
    with Gallery.create(path, OLD, key=(key := bytearray(KEY))) as gallery:  # type: ignore[arg-type]
        wiped(key)
        gallery.enroll("ann", rows(1, 1), OLD)
        gallery.renew()
    work(path)
    with Gallery.open(path, key=KEY) as gallery:
        assert gallery.people() == ["ann"]
    assert check(path, bytearray(KEY)) == []  # type: ignore[arg-type]
    assert recover(path, tmp_path / "new", bytearray(KEY)).whole  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [0.5, 1.05, np.nan])
@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_what_was_checked_is_stored(
    tmp_path: Path, kind: str, change: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera's loop fills one array again and again, also while a writing waits for its turn."""
    path = tmp_path / "g"
    with Gallery.create(path, CONTRACT, key=KEY, rows=kind) as gallery:
        given = unit(2)
        write: Callable[..., object] = Mirror.write

        def late(mirror: Mirror, work: Callable[..., Any]) -> object:
            given[:] *= np.float32(change)
            return write(mirror, work)

        monkeypatch.setattr(Mirror, "write", late)
        gallery.enroll("ben", given, CONTRACT)
        monkeypatch.undo()
        (best, *_), *_ = gallery.identify(unit(2), CONTRACT)
        assert best.person == "ben"
        assert best.cosine > 0.999
    assert check(path, KEY) == []
