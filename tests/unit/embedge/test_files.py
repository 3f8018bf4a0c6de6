import json
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.format import open_memmap
from safetensors.torch import save_file

from embedge.errors import EmbedgeError
from embedge.files import require_writable, reserve, sha256_json, whole_file, write_json, write_text


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_text(path, "old")

    def fail() -> None:
        with whole_file(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_refused_write_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.mkdir()
    with pytest.raises(EmbedgeError, match=r"E-WRITE.*nothing half-written"):
        write_text(path, "x")
    assert list(tmp_path.iterdir()) == [path]


def test_json_refuses_what_json_has_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "f", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


def test_digest_ignores_key_order() -> None:
    value = {"b": [1, 2], "a": "ö"}
    assert sha256_json(value) == sha256_json(json.loads(json.dumps(dict(reversed(value.items())))))
    assert sha256_json(value) != sha256_json({"b": [2, 1], "a": "ö"})


@pytest.mark.parametrize("through_a_link", [False, True])
def test_a_pipe_or_a_device_is_not_replaced(tmp_path: Path, through_a_link: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    place = tmp_path / ("link" if through_a_link else "pipe")
    for ask in (require_writable, lambda path: write_text(path, "x")):
        with pytest.raises(EmbedgeError, match=r"E-WRITE.*a device or a pipe"):
            ask(place)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("later")
    write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "later").read_text() == "x"


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may grow beyond it."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def saved(part: Path) -> None:
    with part.open("wb") as stream:
        np.save(stream, np.ones(100_000))


WRITERS = {
    "safetensors": lambda part: save_file({"a": torch.ones(100_000)}, part),
    "numpy": saved,
    "bytes": lambda part: part.write_bytes(bytes(400_000)),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_whoever_writes_a_full_disk_is_told_alike(tmp_path: Path, kind: str) -> None:
    def written() -> None:
        with whole_file(tmp_path / "f") as part:
            WRITERS[kind](part)

    with room_for(100_000), pytest.raises(EmbedgeError, match=r"E-WRITE.*Free some space"):
        written()
    assert not [*tmp_path.iterdir()]
    written()
    assert (tmp_path / "f").stat().st_size > 400_000 - 1


def test_what_is_raised_inside_is_left_alone(tmp_path: Path) -> None:
    told = EmbedgeError("E-CHECKPOINT", "gone (os error 2)", remedy="Look")
    with pytest.raises(EmbedgeError, match="E-CHECKPOINT"), whole_file(tmp_path / "f"):
        raise told


def test_a_file_with_holes_takes_its_room_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    open_memmap(path, "w+", np.float16, (1000, 512)).flush()
    assert path.stat().st_blocks * 512 < 100_000, "holes"
    reserve(path)
    assert path.stat().st_blocks * 512 >= path.stat().st_size > 1_000_000
    assert not np.load(path).any()


def test_a_file_gets_what_the_umask_leaves_and_nobody_sets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.delattr(os, "umask")
            write_text(tmp_path / "f", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640
