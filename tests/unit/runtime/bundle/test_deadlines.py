"""What a signal's handler raises while a bundle is read comes out as itself."""

import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_bundles import tiny_bundle

from embedge.errors import EmbedgeError
from embedge.runtime import Bundle
from embedge.runtime.bundle.stored import store


class Late(TimeoutError):
    pass


class Stop(Exception):
    pass


def late(*_: object) -> None:
    raise Late("deadline")


def strike(*_: object, **__: object) -> Any:
    signal.raise_signal(signal.SIGALRM)


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, late)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "tiny.embedge")


@pytest.fixture
def packed(folder: Path) -> Path:
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    return folder.with_suffix(".zip")


@pytest.mark.parametrize("call", ["scandir", "stat", "fstat", "open"])
def test_in_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, call, strike)
        with pytest.raises(Late):
            Bundle.open(folder)


@pytest.mark.parametrize("call", ["_EndRecData", "struct"])
def test_in_a_zip(packed: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, call, strike if call == "_EndRecData" else Struct())
        with pytest.raises(Late):
            Bundle.open(packed)
    Bundle.open(packed).close()


class Struct:
    unpack = staticmethod(strike)


def test_a_broken_zip_that_is_opened_after_a_deadline_is_told(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes()[:100])
    try:
        strike()
    except Late:
        with pytest.raises(EmbedgeError, match="E-BUNDLE:"):
            Bundle.open(packed)


@pytest.mark.parametrize("kind", [Stop, MemoryError])
def test_what_no_reader_raises_is_not_told_as_damage(folder: Path, kind: type[Exception]) -> None:
    class Stream:
        def read(self, count: int) -> bytes:
            raise kind

    with pytest.raises(kind):
        store.FolderStore(folder)._pulled("a", Stream(), 1)  # type: ignore[arg-type]
