import os
import shutil
import time
from pathlib import Path

import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.watching import arriving_files


def test_only_regular_files_are_told_and_nothing_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "self.png").symlink_to("self.png")
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / ".hidden.png").write_bytes(b"1")
    (tmp_path / "note.txt").write_bytes(b"1")
    assert list(arriving_files(tmp_path, 0.1, once=True)) == [tmp_path / "a.png"]


def test_a_folder_that_goes_away_is_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"1")
    arriving = arriving_files(folder, 0.01)
    assert next(arriving) == folder / "a.png"
    shutil.rmtree(folder)
    with pytest.raises(EmbedgeError, match=r"E-FOLDER.*No such file"):
        next(arriving)


def test_a_current_folder_that_was_removed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(EmbedgeError, match=r"E-FOLDER.*removed"):
        next(arriving_files(Path(), 0.01, once=True))


def test_a_changed_file_comes_again(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    arriving = arriving_files(tmp_path, 0.01)
    assert next(arriving) == tmp_path / "a.png"
    (tmp_path / "a.png").write_bytes(b"22")
    assert next(arriving) == tmp_path / "a.png"


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_an_interval_that_cannot_be(tmp_path: Path, interval: float) -> None:
    began = time.monotonic()
    with pytest.raises(EmbedgeError, match="E-OPTION"):
        next(arriving_files(tmp_path, interval))
    assert time.monotonic() - began < 1
