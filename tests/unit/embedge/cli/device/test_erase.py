from pathlib import Path

import pytest

from embedge.cli import main
from embedge.cli.device.erase import _lines
from embedge.runtime.gallery.erasure import ErasureProof


@pytest.mark.parametrize("given", [["--prove"], ["--bundle", "tiny.embedge"]])
def test_a_picture_without_a_proof_erases_nobody(
    given: list[str], gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["erase", str(gallery), "ann", "--picture", "0.png", *given]) == 2
    assert "E-PROOF" in capsys.readouterr().err
    assert main(["gallery", "people", str(gallery)]) == 0
    assert capsys.readouterr().out == "ann\nben\n"


def test_a_copy_beside_the_gallery_ends_a_proof_with_3(
    gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("copy.gallery").write_bytes(gallery.read_bytes())
    assert main(["erase", str(gallery), "ann", "--prove"]) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "erased ann: 1 template"
    assert any(line.startswith("  still opens and holds the person") for line in said)
    assert said[-1] == "NOT PROVEN"


def test_no_more_than_twenty_places_are_listed() -> None:
    found = tuple(f"place {number}" for number in range(30))
    lines = _lines(ErasureProof("ann", 1, 9, ("float32",), ("a",), 1234, found=found, unknown=()))
    assert lines[0] == "searched 1 file, 1,234 bytes, for 9 pieces: 30 found"
    assert [line for line in lines if "found: place" in line][-1] == "  found: place 19"
