"""embedge report and embedge gate as a user meets them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from called import called
from PIL import Image
from sample_report import edited, refute, sample_report
from tiny_bundles import face_like, tiny_bundle

from embedge.files import sha256_file
from embedge.report.read import read_report
from embedge.typed import plain

POLICY: dict[str, Any] = {
    "policy": "embedge.policy/2",
    "tar": [
        {"gallery": "teacher", "probe": "student", "artifact": "fp32", "fmr": 0.01, "at_least": 0.9}
    ],
    "size": [{"artifact": "int8-cpu", "at_most_bytes": 2000000}],
}
# nothing but the base install: what a device has
FORBID = """
import sys
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name in {"torch", "onnx", "pydantic", "yaml", "rich", "matplotlib", "jinja2"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Forbid())
from embedge.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "report.json"
    path.write_text(json.dumps(plain(sample_report())))
    return path


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bad") / "report.json"
    path.write_text(json.dumps(plain(edited(sample_report(), refute))))
    return path


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(POLICY))
    return path


def embedge(*arguments: object) -> subprocess.CompletedProcess[str]:
    return called(*arguments)


def on_a_device(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", FORBID, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_render_without_pictures_shows_no_face(good: Path, tmp_path: Path) -> None:
    done = embedge("report", "render", good, "--out", tmp_path, "--no-pictures")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert "<img" not in page
    assert "person 1" not in page
    assert "data:image" not in (tmp_path / "report.json").read_text()


def test_diff_says_what_got_worse(good: Path, bad: Path, tmp_path: Path) -> None:
    page = tmp_path / "diff.html"
    done = embedge("report", "diff", good, bad, "--html", page)
    assert done.returncode == 0, done.stderr
    assert "worse   gate thresholds hold: passed → failed" in done.stdout
    assert "1 regression<" in page.read_text()
    assert embedge("report", "diff", good, bad, "--fail").returncode == 3
    assert embedge("report", "diff", bad, good, "--fail").returncode == 0
    strange = json.loads(good.read_text())
    strange |= {"evaluation": None, "verdict": {"passed": True, "gates": []}}
    strange["provenance"]["recipe"] = {}
    for one in strange["artifacts"]:
        one["cosine_to_torch"] = None
    (tmp_path / "strange.json").write_text(json.dumps(strange))
    done = embedge("report", "diff", good, tmp_path / "strange.json", "--fail")
    assert done.returncode == 3
    assert "E-INCOMPARABLE" in done.stderr
    assert "no comparison is in both reports" in done.stderr
    told = json.loads(embedge("report", "diff", good, bad, "--json").stdout)
    assert [one["what"] for one in told["changes"] if one["regression"]] == ["gate thresholds hold"]


def test_merge_of_a_report_with_itself_adds_a_device(good: Path, tmp_path: Path) -> None:
    done = embedge("report", "merge", good, good, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    merged = json.loads((tmp_path / "report.json").read_text())
    assert [one["stage"] for one in merged["skipped"]] == ["engines"]
    assert merged["devices"][0]["device"] == "Cortex-A76"


def test_the_summary_names_the_report_by_its_digest(good: Path, tmp_path: Path) -> None:
    page = tmp_path / "summary.html"
    done = embedge("report", "summary", good, "--out", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert sha256_file(good) in text
    assert "Signed off by" in text
    assert "http:" not in text


def test_gate_passes_and_fails(good: Path, bad: Path, policy: Path) -> None:
    done = embedge("gate", good, "--policy", policy)
    assert done.returncode == 0, done.stderr
    assert "FAIL" not in done.stdout
    done = embedge("gate", bad, "--policy", policy)
    assert done.returncode == 3
    assert "FAIL  gate thresholds hold" in done.stdout
    assert "E-GATE" in done.stderr
    told = json.loads(embedge("gate", bad, "--policy", policy, "--json").stdout)
    assert not told["passed"]
    assert told["checks"][-1].keys() == {"rule", "passed", "why", "told"}


def test_gate_and_diff_run_on_the_base_install(good: Path, bad: Path, policy: Path) -> None:
    assert on_a_device("gate", good, "--policy", policy).returncode == 0
    assert on_a_device("gate", bad, "--policy", policy).returncode == 3
    done = on_a_device("report", "diff", good, bad)
    assert "worse   gate thresholds hold: passed → failed" in done.stdout, done.stderr


def test_a_device_on_the_base_install_benches_and_writes_its_figures(tmp_path: Path) -> None:
    bundle, crop = tiny_bundle(tmp_path / "tiny.embedge"), tmp_path / "a.png"
    Image.fromarray(face_like(1)).save(crop)
    quick = ("--seconds", 0.1, "--threads", 1, "--scenario", "single-stream", "--images", crop)
    done = on_a_device("bench", bundle, "--artifact", "fp32", *quick, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.json"]
    assert read_report(tmp_path / "out" / "report.json").title.startswith("tiny on ")


def test_what_needs_an_extra_names_it(good: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("policy: embedge.policy/2\n")
    for arguments in (
        ("gate", good, "--policy", tmp_path / "policy.yaml"),
        ("report", "schema"),
        ("report", "render", good, "--out", tmp_path),
        ("report", "diff", good, good, "--html", tmp_path / "diff.html"),
    ):
        done = on_a_device(*arguments)
        assert done.returncode == 2
        assert re.match(r"embedge: E-EXTRA: .* pip install 'embedge\[export\]'$", done.stderr)


@pytest.mark.parametrize(
    "command",
    [
        "distill-and-export --recipe rendered",
        "compare --methods th-kd --seeds 1",
        "train-teacher --recipe rendered",
        "plan --classes 100 --batch 10",
    ],
)
def test_a_command_of_the_workshop_names_its_extras(command: str, tmp_path: Path) -> None:
    out = [] if command.startswith("plan") else ["--out", tmp_path / "run"]
    done = on_a_device(*command.split(), *out)
    assert done.returncode == 2
    assert re.match(r"embedge: E-EXTRA: .* pip install 'embedge\[train,export\]'$", done.stderr)


def test_quantize_names_its_extra(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"a graph")
    options = ("--calib", tmp_path, "--target", "cpu", "--out", tmp_path / "b.onnx")
    done = on_a_device("quantize", tmp_path / "a.onnx", *options)
    assert done.returncode == 2
    assert re.match(r"embedge: E-EXTRA: .* pip install 'embedge\[.*export\]'$", done.stderr)


def test_a_gate_cannot_forge_a_line(good: Path, policy: Path, tmp_path: Path) -> None:
    forged = json.loads(good.read_text())
    gate = next(one for one in forged["verdict"]["gates"] if one["name"] == "thresholds hold")
    gate["name"] = "a\x1b[2J\npass  everything"
    (tmp_path / "report.json").write_text(json.dumps(forged))
    done = embedge("gate", tmp_path / "report.json", "--policy", policy)
    assert "\npass  everything" not in done.stdout
    assert "\x1b" not in done.stdout
    refute(forged)
    (tmp_path / "failed.json").write_text(json.dumps(forged))
    done = embedge("gate", tmp_path / "failed.json", "--policy", policy)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    (tmp_path / "old.json").write_text('{"schema": "embedge.report/1", "command": "a\\npass  b"}')
    assert len(embedge("report", "diff", good, tmp_path / "old.json").stderr.splitlines()) == 1
    done = embedge("report", "diff", good, tmp_path / "failed.json")
    assert "worse   gate a\\x1b[2J\\npass  everything" in done.stdout


def test_a_report_of_the_first_version_is_refused_with_a_word(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text('{"schema": "embedge.report/1", "command": "distill-and-export --demo"}')
    done = embedge("report", "diff", path, path)
    assert done.returncode == 2
    assert "E-REPORT-VERSION: this report has the schema 'embedge.report/1'" in done.stderr
    assert "by the command that wrote it: distill-and-export --demo" in done.stderr
    path.write_text('{"scores": [1, 2]}')
    done = embedge("report", "diff", path, path)
    assert (done.returncode, "E-REPORT: this is no report of embedge" in done.stderr) == (2, True)


def test_mistakes_are_one_sentence(good: Path, tmp_path: Path) -> None:
    for arguments in (
        ("report", "render", tmp_path / "absent.json", "--out", tmp_path),
        ("gate", good, "--policy", tmp_path / "absent.yaml"),
        ("report", "merge", good, tmp_path / "absent.json", "--out", tmp_path),
    ):
        done = embedge(*arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("embedge: E-")
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "there is no such file" in done.stderr
        assert "Errno" not in done.stderr


def test_the_schema_is_printed_as_it_is_published() -> None:
    done = embedge("report", "schema")
    assert done.returncode == 0
    published = Path(__file__).parents[2] / "docs" / "reference" / "report.schema.json"
    assert done.stdout == published.read_text()
