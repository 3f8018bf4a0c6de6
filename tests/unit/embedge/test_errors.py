import pickle
import re
from pathlib import Path

from embedge.errors import EmbedgeError, GateFailed

REPOSITORY = Path(__file__).parents[3]
ROOMS = ("src/embedge", "runtime", "calibration", "train", "export", "examples")


def test_says_what_where_and_how_to_mend_it() -> None:
    error = EmbedgeError("E-X", "it broke", where="a.png", remedy="Mend it")
    assert str(error) == "E-X: it broke (a.png). Mend it"
    assert error.exit_code == 2
    assert GateFailed("E-G", "missed", remedy="Try").exit_code == 3


def test_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(GateFailed("E-G", "missed", where="w", remedy="Try")))
    assert (type(error), str(error)) == (GateFailed, "E-G: missed (w). Try")


def test_every_code_is_documented_and_every_documented_code_exists() -> None:
    used = {
        code
        for room in ROOMS
        for path in (REPOSITORY / room).rglob("*.py")
        for code in re.findall(r'"(E-[A-Z0-9-]+)"', path.read_text())
    }
    table = (REPOSITORY / "docs" / "reference" / "errors.md").read_text()
    documented = re.findall(r"^\| `?(E-[A-Z0-9-]+)`? \|", table, re.MULTILINE)
    assert sorted(documented) == sorted(set(documented))
    assert used == set(documented)
