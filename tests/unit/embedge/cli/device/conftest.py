"""A bundle, three faces and a gallery that knows the first two; the key is in the environment."""

from pathlib import Path

import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle

from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.keys import KEY_VARIABLE
from embedge.runtime.matcher import FaceMatcher


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_VARIABLE, "5a" * 32)
    tiny_bundle(Path("tiny.embedge"))
    for seed in range(3):
        Image.fromarray(face_like(seed)).save(f"{seed}.png")
    return tmp_path


@pytest.fixture
def gallery(place: Path) -> Path:
    with (
        FaceMatcher.load(Path("tiny.embedge")) as matcher,
        Gallery.create(Path("door.gallery"), matcher.contract, key=bytes.fromhex("5a" * 32)) as new,
    ):
        rows = matcher.embed([Path("0.png"), Path("1.png")])
        new.enroll(["ann", "ben"], rows, matcher.contract)
    return Path("door.gallery")
