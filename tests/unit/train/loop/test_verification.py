"""Verification sets watched in training: the accuracy is the protocol's, whatever packs it."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from face_sets import encoded
from sufficient import enough
from torch import nn

from embedge.calibration.tenfold import folded_accuracy
from embedge.errors import EmbedgeError
from embedge.train.loop.checks import VerificationSet

PEOPLE, FOLDS, EACH = 20, 10, 6


class Colours(nn.Module):
    """The mean colour of 16 places, through a fixed layer."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.linear = nn.Linear(48, 16, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.pool(x).flatten(1))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return Colours().eval()


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Two noisy pictures of each person, who is a pattern of colours."""
    rng = np.random.default_rng(3)
    people = np.kron(rng.integers(60, 196, (PEOPLE, 4, 4, 3)), np.ones((1, 28, 28, 1)))
    noise = np.kron(rng.normal(0, 45, (PEOPLE, 2, 4, 4, 3)), np.ones((1, 1, 28, 28, 1)))
    return np.clip(people[:, None] + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pairs() -> list[tuple[int, int, int]]:
    """(fold, person a, person b), half of them genuine."""
    rng = np.random.default_rng(4)
    rows = []
    for fold in range(FOLDS):
        for number in range(EACH):
            a, b = rng.choice(PEOPLE, 2, replace=False)
            rows.append((fold, a, a if number % 2 else b))
    return rows


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    pictures: np.ndarray,
    pairs: list[tuple[int, int, int]],
) -> Path:
    root = tmp_path_factory.mktemp("sets")
    for person, both in enumerate(pictures):
        for side, picture in enumerate(both):
            path = root / "faces" / f"p{person}" / f"{side}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(picture))
    lines = [f"{fold}\tp{a}/0.png\tp{b}/1.png\t{int(a == b)}" for fold, a, b in pairs]
    (root / "listed.txt").write_text("\n".join(lines))
    packed = [png(pictures[who, side]) for _, *both in pairs for side, who in enumerate(both)]
    same = [bool(a == b) for _, a, b in pairs]
    (root / "packed.bin").write_bytes(pickle.dumps((packed, same)))
    return root


def png(picture: np.ndarray) -> bytes:
    return encoded(picture, "PNG")


def embedded(network: nn.Module, pictures: np.ndarray) -> np.ndarray:
    inputs = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        rows = network(inputs).numpy().astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def expected(gallery: np.ndarray, probe: np.ndarray, pairs: list[tuple[int, int, int]]) -> float:
    folds, a, b = np.transpose(pairs)
    cosines = np.einsum("nd,nd->n", gallery[a], probe[b])
    return enough(folded_accuracy(cosines, a == b, folds)).mean


def test_the_accuracy_is_that_of_the_pairs_however_they_are_packed(
    folder: Path, network: nn.Module, pictures: np.ndarray, pairs: list[tuple[int, int, int]]
) -> None:
    first, second = (embedded(network, pictures[:, side]) for side in (0, 1))
    wanted = expected(first, second, pairs)
    assert 0.6 < wanted < 1
    packed = VerificationSet.read(str(folder / "packed.bin"))
    listed = VerificationSet.read(f"{folder / 'listed.txt'}:{folder / 'faces'}")
    assert packed(network) == {"packed accuracy": pytest.approx(wanted)}
    assert listed(network) == {"listed accuracy": pytest.approx(wanted)}


def test_across_spaces_the_teacher_has_the_first_picture_of_a_pair(
    folder: Path, network: nn.Module, pictures: np.ndarray, pairs: list[tuple[int, int, int]]
) -> None:
    torch.manual_seed(1)
    teacher = Colours().eval()
    found = VerificationSet.read(str(folder / "packed.bin"))

    def embed(faces: Any) -> np.ndarray:
        images = np.stack([faces.read(index) for index in range(len(faces))])
        return embedded(teacher, images).astype(np.float32)

    told = found.taught(embed)(network)
    gallery, probe = embedded(teacher, pictures[:, 0]), embedded(network, pictures[:, 1])
    assert list(told) == ["packed accuracy", "packed cross-space accuracy"]
    assert told["packed cross-space accuracy"] == pytest.approx(expected(gallery, probe, pairs))
    assert told["packed cross-space accuracy"] < told["packed accuracy"]


def test_a_fingerprint_is_of_pictures_and_pairs(
    folder: Path, tmp_path: Path, pairs: list[tuple[int, int, int]]
) -> None:
    whole = VerificationSet.read(f"{folder / 'listed.txt'}:{folder / 'faces'}").fingerprint
    assert whole == VerificationSet.read(f"{folder / 'listed.txt'}:{folder / 'faces'}").fingerprint
    lines = (folder / "listed.txt").read_text().splitlines()
    (tmp_path / "listed.txt").write_text("\n".join([*lines[1:], lines[0]]))
    turned = VerificationSet.read(f"{tmp_path / 'listed.txt'}:{folder / 'faces'}")
    assert turned.fingerprint != whole
    (tmp_path / "faces").mkdir()
    for path in (folder / "faces").iterdir():
        (tmp_path / "faces" / path.name).symlink_to(path)
    (tmp_path / "faces" / "p3").unlink()
    (tmp_path / "faces" / "p3").symlink_to(folder / "faces" / "p4")
    other = VerificationSet.read(f"{folder / 'listed.txt'}:{tmp_path / 'faces'}")
    assert other.fingerprint != whole


def small(folder: Path, tmp_path: Path) -> Path:
    content = pickle.loads((folder / "packed.bin").read_bytes())
    tiny = png(np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "small.bin").write_bytes(pickle.dumps(([tiny] * 120, content[1])))
    return tmp_path / "small.bin"


def one_fold(folder: Path, tmp_path: Path) -> str:
    lines = (folder / "listed.txt").read_text().splitlines()[:EACH]
    (tmp_path / "one.txt").write_text("\n".join(lines))
    return f"{tmp_path / 'one.txt'}:{folder / 'faces'}"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (lambda folder, _: folder / "absent.bin", "E-BIN", "absent.bin"),
        (lambda folder, _: folder / "listed.txt", "E-VERIFICATION", "colon"),
        (lambda folder, _: f"{folder / 'listed.txt'}:{folder}", "E-VERIFICATION", "p0/0.png"),
        (small, "E-VERIFICATION", "64x64"),
        (one_fold, "E-VERIFICATION", "one fold"),
    ],
)
def test_an_unfit_set_is_one_sentence(
    folder: Path, tmp_path: Path, given: Callable[[Path, Path], Path | str], code: str, words: str
) -> None:
    with pytest.raises(EmbedgeError, match=words) as caught:
        VerificationSet.read(str(given(folder, tmp_path)))
    assert caught.value.code == code
