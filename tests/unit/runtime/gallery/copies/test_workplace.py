"""A gallery that is made in a folder where strangers write is made out of their reach."""

import errno
import os
import stat
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gallery_rows import KEY, ann_and_ben
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.copies.backup import backup
from embedge.runtime.gallery.copies.workplace import Workplace, left_behind, workplace
from embedge.runtime.gallery.keys import new_key_file
from embedge.runtime.gallery.mending import recover

CONTRACT = tiny_contract(16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir(0o700)
    return ann_and_ben(tmp_path / "own" / "g", CONTRACT)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (shared := tmp_path / "shared").mkdir()
    shared.chmod(0o1777)
    return shared


def people(path: Path) -> list[str]:
    with Gallery.open(path, key=KEY) as gallery:
        return gallery.people()


def test_what_a_stranger_has_put_there_is_not_used(path: Path, shared: Path) -> None:
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


def test_nobody_else_may_look_at_it_while_it_is_made(
    path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, modes = Workplace.publish, {}

    def publish(place: Workplace, *its: Any) -> None:
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
def test_the_gallerys_mode_is_kept(path: Path, shared: Path, mode: int) -> None:
    path.chmod(mode)
    recover(path, shared / "new", KEY)
    assert stat.S_IMODE((shared / "new").stat().st_mode) == mode


def test_what_takes_its_place_is_not_published(
    path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Workplace.publish

    def publish(place: Workplace, *its: Any) -> None:
        place.path.rename(shared / "moved")
        place.path.mkdir()
        (place.path / "new").write_text("mallory's")
        real(place, *its)

    monkeypatch.setattr(Workplace, "publish", publish)
    assert recover(path, shared / "new", KEY).whole
    assert people(shared / "new") == ["ann", "ben"]


def test_only_our_own_are_swept(shared: Path) -> None:
    (ours := shared / ".embedge-recovering-ours").mkdir(0o700)
    (ours / "g").write_bytes(b"left")
    (theirs := shared / ".embedge-recovering-theirs").mkdir(0o700)
    theirs.chmod(0o770)
    (theirs / "g").write_bytes(b"theirs")
    with workplace(shared / "new") as place:
        assert left_behind(shared) == sorted([place.path, theirs])
    assert (theirs / "g").read_bytes() == b"theirs"


def copied(path: Path, target: Path) -> None:
    backup(path, target, KEY)


def recovered(path: Path, target: Path) -> None:
    assert recover(path, target, KEY).whole


Make = Callable[[Path, Path], object]
MAKERS = pytest.mark.parametrize("make", [copied, recovered], ids=["backup", "recover"])


def planted(folder: Path, victim: Path) -> None:
    """Whoever may write in the folder moves ours away, and puts links in its place."""
    for ours in folder.glob(".embedge-recovering-*[!e]"):
        if ours.is_dir():
            ours.rename(f"{ours}-gone")
            ours.mkdir()
            for name in ("new", "g"):
                (ours / name).symlink_to(victim)


@MAKERS
def test_whoever_moves_the_folder_meanwhile_gains_nothing(
    path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    shared.chmod(0o777)
    (victim := shared.parent / "victim").touch()
    real = Workplace.create

    def create(place: Workplace, name: str) -> object:
        stream = real(place, name)
        planted(shared, victim)
        return stream

    monkeypatch.setattr(Workplace, "create", create)
    make(path, shared / "new")
    assert people(shared / "new") == ["ann", "ben"]
    assert victim.stat().st_size == 0
    assert [each.name for each in shared.iterdir()] == ["new"]


def test_nothing_is_made_where_others_may_move_it(
    path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere := shared.parent / "tmp").mkdir()
    for each in (shared, elsewhere):
        each.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    with pytest.raises(EmbedgeError, match=r"E-WRITE.*others may move.*chmod go-w"):
        backup(path, shared / "new", KEY)
    assert [*shared.iterdir(), *elsewhere.iterdir()] == []


def test_a_private_folder_that_a_stranger_gave_our_name_is_not_swept(
    path: Path, shared: Path
) -> None:
    shared.chmod(0o777)
    (precious := shared / ".embedge-recovering-precious").mkdir(0o700)
    (precious / "mine").write_text("mine")
    backup(path, shared / "new", KEY)
    assert (precious / "mine").read_text() == "mine"


def no_link_between_folders(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None]) -> None:
    real = os.link

    def link(*names: str, src_dir_fd: int, dst_dir_fd: int, follow_symlinks: bool) -> None:
        if src_dir_fd != dst_dir_fd:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        before()
        real(*names, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "link", link)


@MAKERS
def test_a_copy_comes_from_another_file_system(
    path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    shared.chmod(0o777)
    no_link_between_folders(monkeypatch, lambda: None)
    make(path, shared / "new")
    assert people(shared / "new") == ["ann", "ben"]
    assert stat.S_IMODE((shared / "new").stat().st_mode) == 0o600
    assert [each.name for each in shared.iterdir()] == ["new"]


def test_what_takes_a_parts_place_is_no_backup(
    path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.chmod(0o777)

    def swap() -> None:
        (part,) = shared.iterdir()
        part.rename(shared / "moved")
        part.write_text("mallory's")

    no_link_between_folders(monkeypatch, swap)
    with pytest.raises(EmbedgeError, match=r"E-WRITE.*somebody else put a file in its place"):
        backup(path, shared / "new", KEY)


def test_file_systems_without_links_replace_nothing_either(
    path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    backup(path, shared / "new", KEY)
    assert people(shared / "new") == ["ann", "ben"]
    real = Workplace.publish

    def publish(place: Workplace, *its: Any) -> None:
        (shared / "late").write_text("another's")
        (shared / "late-journal").write_text("its own")
        real(place, *its)

    monkeypatch.setattr(Workplace, "publish", publish)
    with pytest.raises(EmbedgeError, match="E-GALLERY-EXISTS"):
        backup(path, shared / "late", KEY)
    assert (shared / "late").read_text() == "another's"
    assert (shared / "late-journal").read_text() == "its own"


def test_many_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    """Whoever sweeps may meet a folder that is new and not locked yet."""
    gate = threading.Barrier(8)

    def work(number: int) -> None:
        for turn in range(20):
            gate.wait()
            with workplace(tmp_path / "g") as place:
                place.create("new").close()
                place.publish("new", tmp_path / f"{number} {turn}", 0o600)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(list(tmp_path.iterdir())) == 8 * 20


def test_a_child_that_a_handler_forked_leaves_the_folder_to_its_parent(path: Path) -> None:
    """It ends by unwinding, through the same block."""
    child = -1
    try:
        with workplace(path.with_name("new")) as place:
            child = os.fork()
            if child == 0:
                raise SystemExit
            os.waitpid(child, 0)
            assert place.path.exists()
    finally:
        if child == 0:
            os._exit(0)


def ended_by(number: int) -> Callable[..., None]:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOLCK])
def test_without_locks_nothing_is_made_and_nothing_left(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("fcntl.flock", ended_by(number))
    with pytest.raises(EmbedgeError, match="E-WRITE: the file system of this folder has no locks"):
        backup(path, path.with_name("copy"), KEY)
    assert left_behind(path.parent) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_confirms_no_folders_has_galleries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    sync = os.fsync

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            ended_by(number)()
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    path = ann_and_ben(tmp_path / "g", CONTRACT)
    backup(path, tmp_path / "copy", KEY)
    new_key_file(tmp_path / "key")
    assert people(tmp_path / "copy") == ["ann", "ben"]
