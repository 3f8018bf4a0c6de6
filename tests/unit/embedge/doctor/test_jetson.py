from pathlib import Path

import pytest

from embedge.doctor.jetson import jetson


def board(root: Path, release: str, model: str = "NVIDIA Jetson Orin Nano Developer Kit") -> Path:
    (root / "etc").mkdir()
    (root / "etc/nv_tegra_release").write_text(release)
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/device-tree/model").write_bytes(model.encode() + b"\0")
    return root


@pytest.mark.parametrize(
    ("release", "l4t", "jetpack", "tensorrt"),
    [
        (
            "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref",
            "35.4.1",
            "5.1.2",
            "8.5",
        ),
        ("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic", "36.4.3", None, "10.3"),
        ("# R36 (release), REVISION: 5.0, GCID: 1, BOARD: generic", "36.5.0", "6.2.2", "10.3"),
        ("# R39 (release), REVISION: 2.0, GCID: 1, BOARD: generic", "39.2.0", "7.2", "10.16"),
        ("# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref", "32.7.1", "4.6", "8.2"),
        ("# R99 (release), REVISION: 1.0, GCID: 1, BOARD: generic", "99.1.0", None, None),
    ],
)
def test_release_names_the_jetpack(
    tmp_path: Path, release: str, l4t: str, jetpack: str | None, tensorrt: str | None
) -> None:
    found = jetson(board(tmp_path, release))
    assert found is not None
    assert found.model == "NVIDIA Jetson Orin Nano Developer Kit"
    assert found.l4t == l4t
    assert found.tensorrt == tensorrt
    if jetpack:
        assert found.jetpack == jetpack


def test_other_machines_are_no_jetson(tmp_path: Path) -> None:
    assert jetson(tmp_path) is None


def test_unreadable_release_is_still_a_jetson(tmp_path: Path) -> None:
    found = jetson(board(tmp_path, "something else"))
    assert found is not None
    assert (found.l4t, found.jetpack) == ("unknown", None)
