import os
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


def test_who_is_interrupted_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "file").write_bytes(b"x")
    before = sorted(one.name for one in Path("/dev/fd").iterdir())
    monkeypatch.setattr(os, "fstat", interrupted)
    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path / "file")
    monkeypatch.undo()
    assert sorted(one.name for one in Path("/dev/fd").iterdir()) == before
