import os
import signal
import time
from pathlib import Path

import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.picture.images import rgb_from_picture
from embedge.runtime.reading import TooLarge, opened, read_bytes


def test_regular_files_are_read_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    assert read_bytes(tmp_path / "a", 4) == b"1234"
    with pytest.raises(TooLarge):
        read_bytes(tmp_path / "a", 3)
    (tmp_path / "link").symlink_to("a")
    assert read_bytes(tmp_path / "link", 4) == b"1234"
    with pytest.raises(OSError, match="symbolic"):
        opened(tmp_path / "link", follow=False)


@pytest.mark.parametrize("kind", ["pipe", "folder", "/dev/zero", "loop"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("x.png" if kind == "loop" else kind)
    began = time.monotonic()
    with pytest.raises(OSError):  # noqa: PT011 - each kind has its own number
        read_bytes(path, 100)
    with pytest.raises(EmbedgeError, match="E-IMAGE-MISSING"):
        rgb_from_picture(path)
    assert time.monotonic() - began < 2


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        with pytest.raises(OSError, match="not a file"):
            read_bytes(tmp_path / "pipe", 100)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_interrupt_while_it_opens_stays_an_interrupt(tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "file").write_bytes(b"x")
    before = signal.signal(signal.SIGALRM, interrupted)
    left = signal.getitimer(signal.ITIMER_REAL)  # of the suite's own limit
    seen = 0
    try:
        for number in range(4000):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number % 60))
                opened(tmp_path / "file").close()
            except KeyboardInterrupt:
                seen += 1
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *left)
    assert seen > 1000
