"""A bundle's place holds the old one or the new one, whatever comes in between."""

import errno
import os
import shutil
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

from embedge.errors import EmbedgeError
from embedge.pipeline.additions.rewriting import rewritten
from embedge.runtime import Bundle
from embedge.runtime.bundle import placing
from embedge.runtime.bundle.placing import new_folder
from embedge.runtime.bundle.signature import sign_bundle
from embedge.runtime.bundle.signing_keys import new_signing_key
from embedge.runtime.bundle.stored.store import FolderStore

NEW = {"x.bin": b"new"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "tiny.embedge")


def in_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on file systems that know no exchange."""
    monkeypatch.setattr(placing, "_exchanged", lambda *_: False)


def files_of(place: Path) -> list[str]:
    with Bundle.open(place) as bundle:
        return bundle.files


def beside(place: Path) -> list[str]:
    return sorted(each.name for each in place.parent.iterdir() if each != place)


def killed_between_two_steps(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = os.fork()
    if child == 0:
        in_two_steps(monkeypatch)
        real = Path.rename

        def rename(path: Path, target: Path) -> Path:
            real(path, target)
            if Path(target).suffix == ".old":
                os.kill(os.getpid(), signal.SIGKILL)
            return Path(target)

        monkeypatch.setattr(Path, "rename", rename)
        try:
            tiny_bundle(place, files=NEW)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not place.exists()


@pytest.mark.parametrize("steps", [1, 2])
def test_a_bundle_is_there_after_an_interrupted_rename(
    place: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    real = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        real(path, target)
        if not place.exists():
            raise KeyboardInterrupt
        return Path(target)

    if steps == 2:
        in_two_steps(monkeypatch)
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Path, "rename", interrupted)
        tiny_bundle(place, files=NEW)
    assert ("x.bin" in files_of(place)) == (steps == 1)
    assert not beside(place)


def test_what_a_killed_writer_moved_away_is_opened(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_between_two_steps(place, monkeypatch)
    assert "x.bin" not in files_of(place)
    tiny_bundle(place, files=NEW)
    assert "x.bin" in files_of(place)
    assert not beside(place), "what the killed one left is swept"


def test_what_a_killed_writer_moved_away_is_of_the_name_that_counts(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_between_two_steps(place, monkeypatch)
    with pytest.raises(EmbedgeError, match="E-BUNDLE-EXISTS"):
        tiny_bundle(place, name="other")
    assert "x.bin" not in files_of(place)


def test_where_it_cannot_be_put_back_it_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_between_two_steps(place, monkeypatch)
    monkeypatch.setattr(placing, "_locked", lambda *_: False)  # nor swept: it may be a living one's
    with pytest.raises(EmbedgeError, match=r"E-BUNDLE-MISSING.*rename .*\.old to it"):
        Bundle.open(place)


def test_a_living_writers_folder_is_not_swept(place: Path) -> None:
    dead = place.parent / ".tiny.embedge.abcdefgh.part"
    others = place.parent / ".tiny.embedge.x.abcdefgh.part"
    for each in (dead, others):
        (each / "a").mkdir(parents=True)
    with new_folder(place, lambda: None) as part:
        assert not dead.exists()
        tiny_bundle(place, files=NEW)
        assert part.is_dir()
        shutil.copytree(place, part, dirs_exist_ok=True)
    assert "x.bin" in files_of(place)
    assert beside(place) == [others.name]


def test_what_cannot_be_removed_is_no_refusal(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stubborn(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "rmdir", stubborn)
    tiny_bundle(place, files=NEW)
    assert "x.bin" in files_of(place)
    monkeypatch.undo()
    tiny_bundle(place)
    assert not beside(place)


def test_a_link_is_followed(place: Path) -> None:
    link = place.with_name("current.embedge")
    link.symlink_to(place.name)
    assert tiny_bundle(link, files=NEW) == link
    assert link.is_symlink()
    assert "x.bin" in files_of(place)
    assert beside(place) == [link.name]


def test_a_mount_point_is_refused_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path == place)
    with pytest.raises(EmbedgeError, match=r"E-BUNDLE-EXISTS.*mounted"):
        tiny_bundle(place, files=NEW)
    assert "x.bin" not in files_of(place)
    assert not beside(place)


@pytest.mark.parametrize("steps", [1, 2])
def test_writers_at_once_wait_for_each_other(
    place: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    if steps == 2:
        in_two_steps(monkeypatch)
    failed: list[Exception] = []

    def write(which: int) -> None:
        try:
            for turn in range(6):
                tiny_bundle(place, files={"x.bin": bytes([which, turn])})
                Bundle.open(place).close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(which,)) for which in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed
    assert not beside(place)


def test_the_place_where_one_stands_is_a_place(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    tiny_bundle(Path(), files=NEW)
    assert "x.bin" in files_of(place)
    assert not beside(place)


def test_a_child_of_a_fork_holds_nobody_up(place: Path) -> None:
    with placing._alone(place.parent) as alone:
        assert alone
        if (child := os.fork()) == 0:
            signal.pause()
            os._exit(0)
    try:
        with placing._alone(place.parent, tries=1) as again:
            assert again
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_whoever_may_not_list_the_folder_may_write_in_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = os.open

    def unlisted(path: os.PathLike[str], flags: int, *more: int, **where: int | None) -> int:
        if Path(path) == place.parent and not flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(path))
        return kept(path, flags, *more, **where)

    monkeypatch.setattr(os, "open", unlisted)
    tiny_bundle(place, files=NEW)
    monkeypatch.undo()
    assert "x.bin" in files_of(place)


def test_nobody_who_came_in_between_is_overwritten(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def somebody_came(_: Path) -> None:
        monkeypatch.undo()
        tiny_bundle(place, files=NEW)

    with Bundle.open(place) as read:
        monkeypatch.setattr(placing, "put_back", somebody_came)  # once all was read
        with pytest.raises(EmbedgeError, match="E-BUNDLE-REPLACED"):
            rewritten(place, read, {"y.bin": b"late"})
    assert "x.bin" in files_of(place)
    assert "y.bin" not in files_of(place)


def test_a_bundle_that_is_replaced_while_it_is_judged_is_not_called_unsigned(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_signing_key(tmp_path / "key.pem")
    trusted = [tmp_path / "key.pem.pub"]
    sign_bundle(place, tmp_path / "key.pem")
    named = FolderStore.names

    def exchanged(self: FolderStore) -> list[str]:
        """The folder that is held is being removed: its signature went first."""
        monkeypatch.setattr(FolderStore, "names", named)
        sign_bundle(place, tmp_path / "key.pem")
        return []

    monkeypatch.setattr(FolderStore, "names", exchanged)
    Bundle.open(place, trusted=trusted).close()


def test_running_out_of_descriptors_is_no_tampering(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with Bundle.open(place) as bundle:
        monkeypatch.setattr(os, "open", full)
        with pytest.raises(EmbedgeError, match=r"E-BUNDLE-MISSING: .*Too many open.*ulimit -n"):
            bundle.read(bundle.files[0])
