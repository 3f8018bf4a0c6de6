"""Threads, processes, forks, and files that move: every answer is that of one user alone."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import gallery_rows
import pytest
from gallery_rows import KEY
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.storage import database

DIM = 32
unit = partial(gallery_rows.unit, dim=DIM)
CONTRACT = tiny_contract(DIM)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "people.gallery"
    Gallery.create(path, CONTRACT, key=KEY).close()
    return path


def in_a_child(work: Callable[[], object]) -> None:
    """Fork, and fail if the child does."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    deadline = time.monotonic() + 60
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os.waitpid(child, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.01)


def finds(gallery: Gallery, seed: int, name: str) -> None:
    ((best, *_),) = gallery.identify(unit(seed), CONTRACT, count=1)
    assert best.person == name
    assert best.cosine > 0.9999


@pytest.mark.parametrize("rows", ["float32", "int8"])
def test_enrolling_beside_renewing_never_loses_a_match(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "g"
    stop = threading.Event()
    enrolled: list[int] = []
    with (
        Gallery.create(path, CONTRACT, key=KEY, rows=rows) as gallery,
        Gallery.open(path, key=KEY, writable=True) as other,
    ):

        def enrol(start: int) -> None:
            writer = gallery if start % 2 else other
            for number in range(start, start + 400, 4):
                if stop.is_set():
                    return
                writer.enroll(str(number), unit(number), CONTRACT)
                enrolled.append(number)

        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(enrol, start) for start in range(4)]
            for _ in range(8):
                gallery.renew()
                other.renew()
            stop.set()
            for each in running:
                each.result()
        assert len(enrolled) > 10
        for number in enrolled:
            ((best, *_),) = other.identify(unit(number), CONTRACT, count=1)
            assert best.person == str(number)
            assert best.cosine > (0.9999 if rows == "float32" else 0.97)


def test_several_processes_create_at_once(tmp_path: Path) -> None:
    """One of them wins; nobody meets a half-made or a damaged gallery."""
    for attempt in range(12):
        path = tmp_path / f"g{attempt}"
        reading, writing = os.pipe()
        gate_reading, gate_writing = os.pipe()
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                _create_and_enrol(path, gate_reading, writing)
            children.append(child)
        os.write(gate_writing, b"ggg")
        for child in children:
            os.waitpid(child, 0)
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            said = stream.read()
        os.close(gate_reading)
        os.close(gate_writing)
        assert sorted(said) == sorted(b"cee"), said
        with Gallery.open(path, key=KEY) as gallery:
            assert len(gallery) == 3


def _create_and_enrol(path: Path, gate: int, writing: int) -> None:
    try:
        os.read(gate, 1)
        try:
            gallery, said = Gallery.create(path, CONTRACT, key=KEY), b"c"
        except EmbedgeError as error:
            if error.code != "E-GALLERY-EXISTS":
                os.write(writing, str(error).encode())
                return
            gallery, said = Gallery.open(path, key=KEY, writable=True), b"e"
        with gallery:
            gallery.enroll(str(os.getpid()), unit(os.getpid()), CONTRACT)
        os.write(writing, said)
    finally:
        os._exit(0)


def test_many_who_want_to_enrol_create_one_gallery(tmp_path: Path) -> None:
    """Processes and threads at once, some of them killed: whoever was told of success is in it."""
    for attempt in range(10):
        path = tmp_path / f"g{attempt}"
        reading, writing = os.pipe()
        gate_reading, gate_writing = os.pipe()
        children = []
        for _ in range(6):
            child = os.fork()
            if child == 0:
                os.close(gate_writing)
                _enrol_in_threads(path, gate_reading, writing)
            children.append(child)
        os.close(gate_writing)
        if attempt % 2:
            time.sleep(0.002 * attempt)
            os.kill(children[0], signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
        os.close(writing)
        with os.fdopen(reading) as stream:
            said = stream.read().split("\n")[:-1]
        os.close(gate_reading)
        assert not [line for line in said if not line.isdigit()]
        with Gallery.open(path, key=KEY) as gallery:
            assert set(said) <= set(gallery.people())
        assert len(said) >= 15


def _enrol_in_threads(path: Path, gate: int, writing: int) -> None:
    def enrol(number: int) -> None:
        name = str(10 * os.getpid() + number)
        try:
            with Gallery.for_enrolment(path, CONTRACT, key=KEY) as gallery:
                gallery.enroll(name, unit(int(name)), CONTRACT)
        except EmbedgeError as error:
            name = str(error)
        os.write(writing, f"{name}\n".encode())

    try:
        os.read(gate, 1)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(enrol, range(3)))
    finally:
        os._exit(0)


def test_who_wants_to_enrol_takes_what_is_there_if_it_fits(tmp_path: Path) -> None:
    path, other = tmp_path / "g", tiny_contract(DIM, space="o" * 64)
    path.touch()  # an interrupted creation
    with Gallery.for_enrolment(path, CONTRACT, key=KEY, rows="int8") as gallery:
        gallery.enroll("ann", unit(0), CONTRACT)
    with pytest.raises(EmbedgeError, match="E-KEY"):
        Gallery.for_enrolment(path, CONTRACT, key=bytes(32))
    with pytest.raises(EmbedgeError, match="E-KEY"):
        Gallery.for_enrolment(path, CONTRACT, key=None, unencrypted=True)
    with Gallery.for_enrolment(path, other, key=KEY) as gallery:
        assert gallery.info().rows == "int8"
        with pytest.raises(EmbedgeError, match="E-SPACE"):
            gallery.enroll("ben", unit(1), other)
    with Gallery.for_enrolment(tmp_path / "plain", CONTRACT, key=None, unencrypted=True):
        pass
    with pytest.raises(EmbedgeError, match="E-KEY"):  # it may have been put there
        Gallery.for_enrolment(tmp_path / "plain", CONTRACT, key=KEY)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for place in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(EmbedgeError, match=r"E-GALLERY-(EXISTS|MISSING)"):
            Gallery.for_enrolment(place, CONTRACT, key=KEY)


def test_an_interrupted_creation_can_be_had_again(tmp_path: Path) -> None:
    (tmp_path / "g").touch()
    with pytest.raises(EmbedgeError, match=r"E-GALLERY-MISSING.*interrupted"):
        Gallery.open(tmp_path / "g", key=KEY)
    with Gallery.create(tmp_path / "g", CONTRACT, key=KEY) as gallery:
        gallery.enroll("ann", unit(0), CONTRACT)
    with pytest.raises(EmbedgeError, match="E-GALLERY-EXISTS"):
        Gallery.create(tmp_path / "g", CONTRACT, key=KEY)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_gallery_works_on_both_sides_of_a_fork(path: Path, threads: int) -> None:
    with Gallery.open(path, key=KEY, writable=True, threads=threads) as gallery:
        gallery.enroll([str(i) for i in range(3000)], unit(1, 3000), CONTRACT)
        gallery.enroll("ann", unit(0), CONTRACT)
        finds(gallery, 0, "ann")

        def child() -> None:
            finds(gallery, 0, "ann")
            gallery.enroll("ben", unit(2), CONTRACT)
            gallery.close()

        in_a_child(child)
        finds(gallery, 2, "ben")
        gallery.enroll("cem", unit(3), CONTRACT)
        finds(gallery, 3, "cem")
    with Gallery.open(path, key=KEY) as gallery:
        assert {"ann", "ben", "cem"} <= set(gallery.people())


def test_forking_in_the_midst_of_another_threads_writing(path: Path) -> None:
    stop = threading.Event()
    with Gallery.open(path, key=KEY, writable=True) as gallery:

        def write() -> None:
            number = 0
            while not stop.is_set():
                gallery.enroll(f"t{number}", unit(1000 + number), CONTRACT)
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(10):
                in_a_child(lambda: gallery.enroll(f"c{number}", unit(number), CONTRACT))  # noqa: B023
        finally:
            stop.set()
            writer.join()
        for number in range(10):
            finds(gallery, number, f"c{number}")


def test_a_busy_writer_lets_others_in(path: Path) -> None:
    stop, looks = threading.Event(), 0
    with Gallery.open(path, key=KEY, writable=True) as gallery:

        def write() -> None:
            number = 0
            while not stop.is_set():
                gallery.enroll(f"t{number % 50}", unit(number), CONTRACT)
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            deadline = time.monotonic() + 20
            while looks < 20 and time.monotonic() < deadline:
                gallery.people()
                looks += 1
        finally:
            stop.set()
            writer.join()
    assert looks == 20


def test_a_gallery_that_is_moved_away_and_back(path: Path, tmp_path: Path) -> None:
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll("ann", unit(0), CONTRACT)
        path.rename(tmp_path / "elsewhere")
        for attempt in (
            lambda: gallery.enroll("ben", unit(1), CONTRACT),
            gallery.people,
            gallery.compact,
        ):
            with pytest.raises(EmbedgeError, match="E-GALLERY-MISSING"):
                attempt()
        assert not path.exists()
        (tmp_path / "elsewhere").rename(path)
        gallery.enroll("ben", unit(1), CONTRACT)
        path.unlink()
        with pytest.raises(EmbedgeError, match="E-GALLERY-MISSING"):
            gallery.enroll("cem", unit(2), CONTRACT)


def test_a_gallery_that_is_replaced_by_its_copy_is_followed(path: Path, tmp_path: Path) -> None:
    """As editors, backup tools and configuration management do it."""
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll("ann", unit(0), CONTRACT)
        shutil.copyfile(path, tmp_path / "copy")
        (tmp_path / "copy").rename(path)
        gallery.enroll("ben", unit(1), CONTRACT)
    with Gallery.open(path, key=KEY) as gallery:
        assert gallery.people() == ["ann", "ben"]


def test_links_and_permissions_are_kept(path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path.rename(tmp_path / "real" / "g")
    path.symlink_to(tmp_path / "real" / "g")
    (tmp_path / "real" / "g").chmod(0o640)
    if os.geteuid() == 0:  # else whatever is written is this user's anyhow
        os.chown(tmp_path / "real" / "g", 12345, 12346)
    before = (tmp_path / "real" / "g").stat()
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll(["ann", "ben"], unit(0, 2), CONTRACT)
        assert gallery.erase("ann", prove=True).proven
        gallery.renew()
        gallery.compact()
    after = (tmp_path / "real" / "g").stat()
    assert path.is_symlink()
    for kept in ("st_ino", "st_mode", "st_uid", "st_gid"):
        assert getattr(after, kept) == getattr(before, kept), kept


def test_a_writer_who_waits_too_long_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT", 0.1)
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(EmbedgeError, match=r"E-GALLERY-BUSY.*nothing was changed"):
                gallery.enroll("ann", unit(0), CONTRACT)
            assert gallery.people() == []
        finally:
            holder.close()
        gallery.enroll("ann", unit(0), CONTRACT)


def test_a_proof_gives_no_lock_of_another_gallery_away(path: Path, tmp_path: Path) -> None:
    """Closing any file descriptor of a file drops the process's locks on it."""
    other = tmp_path / "other"
    held, done = threading.Event(), threading.Event()
    with (
        Gallery.open(path, key=KEY, writable=True) as writer,
        Gallery.create(other, CONTRACT, key=KEY) as eraser,
    ):
        eraser.enroll("ann", unit(0), CONTRACT)

        def write(*_: object) -> None:
            held.set()
            done.wait(0.5)
            in_a_child_it_is_locked(path)

        thread = ThreadPoolExecutor(1).submit(writer.mirror.write, write)
        held.wait()
        assert eraser.erase("ann", prove=True).files
        done.set()
        thread.result()


def in_a_child_it_is_locked(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(_is_locked, (str(path),))


def _is_locked(path: str) -> bool:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False
