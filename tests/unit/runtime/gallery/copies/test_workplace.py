"""A gallery that is made in a folder where strangers write is made out of their reach."""

import os
import stat
from pathlib import Path

import pytest
from gallery_rows import KEY, ann_and_ben
from tiny_bundles import tiny_contract

from embedge.runtime import Gallery
from embedge.runtime.gallery.copies.workplace import Workplace, left_behind, workplace
from embedge.runtime.gallery.mending import recover

CONTRACT = tiny_contract(16)


@pytest.fixture
def path(tmp_path) -> Path:
    (tmp_path / "own").mkdir(0o700)
    return ann_and_ben(tmp_path / "own" / "g", CONTRACT)


@pytest.fixture
def shared(tmp_path) -> Path:
    (shared := tmp_path / "shared").mkdir()
    shared.chmod(0o1777)
    return shared


def people(path: Path) -> list[str]:
    with Gallery.open(path, key=KEY) as gallery:
        return gallery.people()


def test_what_a_stranger_has_put_there_is_not_used(path, shared):
    precious, theirs = shared.parent / "precious", shared / ".embedge-recovering"
    precious.write_text("mine")
    theirs.mkdir()
    theirs.chmod(0o777)
    for name in ("g", "g-journal", "new"):
        (theirs / name).symlink_to(precious)
    (shared / ".embedge-recovering-y").symlink_to(path.parent)
    assert recover(path, shared / "new", KEY).whole
    assert people(shared / "new") == ["ann", "ben"]
    assert precious.read_text() == "mine"
    assert len(list(theirs.iterdir())) == 3
    assert path.exists()


def test_nobody_else_may_look_at_it_while_it_is_made(path, shared, monkeypatch):
    real, modes = Workplace.publish, {}

    def publish(place: Workplace, *its: object) -> None:
        modes.update({each.name: each.stat().st_mode for each in place.path.iterdir()})
        modes["."] = place.path.stat().st_mode
        real(place, *its)

    monkeypatch.setattr(Workplace, "publish", publish)
    before = os.umask(0)
    try:
        recover(path, shared / "new", KEY)
    finally:
        os.umask(before)
    assert {"g", "g-journal", "new", "."} <= set(modes)
    assert not any(stat.S_IMODE(mode) & 0o077 for mode in modes.values())


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660])
def test_the_gallerys_mode_is_kept(path, shared, mode):
    path.chmod(mode)
    recover(path, shared / "new", KEY)
    assert stat.S_IMODE((shared / "new").stat().st_mode) == mode


def test_what_takes_its_place_is_not_published(path, shared, monkeypatch):
    real = Workplace.publish

    def publish(place: Workplace, *its: object) -> None:
        place.path.rename(shared / "moved")
        place.path.mkdir()
        (place.path / "new").write_text("mallory's")
        real(place, *its)

    monkeypatch.setattr(Workplace, "publish", publish)
    assert recover(path, shared / "new", KEY).whole
    assert people(shared / "new") == ["ann", "ben"]


def test_only_our_own_are_swept(shared):
    (ours := shared / ".embedge-recovering-ours").mkdir(0o700)
    (ours / "g").write_bytes(b"left")
    (theirs := shared / ".embedge-recovering-theirs").mkdir(0o700)
    theirs.chmod(0o770)
    (theirs / "g").write_bytes(b"theirs")
    with workplace(shared / "new") as place:
        assert left_behind(shared) == sorted([place.path, theirs])
    assert (theirs / "g").read_bytes() == b"theirs"
