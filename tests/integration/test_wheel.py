import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert all(info.external_attr >> 28 != 0xA for info in archive.infolist())  # no links
        return archive.namelist()


def test_the_wheel_holds_the_four_rooms_and_their_data(names: list[str]) -> None:
    for path in (
        "embedge/train/loop/training.py",
        "embedge/export/int8/qdq.py",
        "embedge/runtime/matcher.py",
        "embedge/calibration/rates.py",
        "embedge/train/recipes/demo.yaml",
        "embedge/train/teachers/rendered.safetensors",
        "embedge/py.typed",
    ):
        assert path in names
    assert any(name.startswith("embedge/report/render/templates/") for name in names)


def test_nothing_is_installed_beside_embedge(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"embedge"}
    assert not [name for name in names if "__pycache__" in name]
