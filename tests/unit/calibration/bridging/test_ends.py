"""Pictures anywhere under a folder, but not behind links to other folders."""

from pathlib import Path

import numpy as np
import pytest

from embedge.calibration.bridging.ends import matrix_rows, pictures_under
from embedge.errors import EmbedgeError


def test_people_behind_links_are_told_as_such(tmp_path: Path) -> None:
    person, root = tmp_path / "ann", tmp_path / "people"
    person.mkdir()
    (person / "1.png").write_bytes(b"a picture")
    root.mkdir()
    with pytest.raises(EmbedgeError, match=r"E-BRIDGE-FACES: there are no pictures here \("):
        pictures_under(root)
    (root / "ann").symlink_to(person)
    with pytest.raises(EmbedgeError, match="its folders are links, which are not followed"):
        pictures_under(root)
    (root / "ann").unlink()
    person.rename(root / "ann")
    assert pictures_under(root).names == ["ann/1.png"]


def test_numbers_beyond_single_precision_are_refused_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    for number in (1e30, 1e300):
        np.save(tmp_path / "a.npy", np.full((3, 4), number))
        with pytest.raises(EmbedgeError, match="3 of 3 rows hold NaN or infinity"):
            matrix_rows(tmp_path / "a.npy")
    assert not recwarn.list
