"""A bundle that is replaced while it is read is never called a damaged one."""

from pathlib import Path
from typing import Any

import pytest
from tiny_bundles import face_like, tiny_bundle

from embedge.errors import EmbedgeError
from embedge.runtime import Bundle, FaceMatcher
from embedge.runtime.bundle.stored.store import FolderStore

NOTE = "engines/note.txt"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "tiny.embedge")


def replaced(place: Path) -> None:
    tiny_bundle(place, dim=32, files={NOTE: b"another note\n"})


def test_the_folder_that_was_opened_is_read(place: Path) -> None:
    with Bundle.open(place) as bundle:
        before = bundle.read(NOTE)
        place.rename(place.with_name("elsewhere"))
        replaced(place)
        assert bundle.read(NOTE) == before != b"another note\n"


def test_whoever_reads_on_is_told_of_the_replacement(place: Path) -> None:
    with Bundle.open(place) as bundle:
        replaced(place)
        with pytest.raises(EmbedgeError, match=r"E-BUNDLE-REPLACED.*Open it again"):
            bundle.read(NOTE)


def test_a_closed_bundle_says_so(place: Path) -> None:
    with Bundle.open(place) as bundle:
        pass
    bundle.close()
    with pytest.raises(EmbedgeError, match="E-CLOSED"):
        bundle.read(NOTE)


@pytest.mark.parametrize("step", ["holds", "names", "digest"])
def test_opening_begins_again(place: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    real: Any = getattr(FolderStore, step)
    pending = [place]

    def meanwhile(store: FolderStore, *given: Any) -> Any:
        if store.path == place and pending:
            replaced(pending.pop())
        return real(store, *given)

    monkeypatch.setattr(FolderStore, step, meanwhile)
    with Bundle.open(place) as bundle:
        assert bundle.read(NOTE) == b"another note\n"


def test_loading_begins_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Bundle.read
    pending = [place]

    def meanwhile(bundle: Bundle, file: str) -> bytes:
        if pending:
            replaced(pending.pop())
        return real(bundle, file)

    monkeypatch.setattr(Bundle, "read", meanwhile)
    with FaceMatcher.load(place, threads=1, aligned=True) as matcher:
        assert matcher.embed(face_like(1)).shape == (32,)
    assert not pending


def test_a_bundle_changed_in_its_place_is_damaged(place: Path) -> None:
    with Bundle.open(place) as bundle:
        (place / NOTE).write_text("x")
        with pytest.raises(EmbedgeError, match="E-BUNDLE:"):
            bundle.read(NOTE)
