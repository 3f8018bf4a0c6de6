"""docs/results.md says what the files of results say, and nothing else."""

import json
import re
import shutil
from pathlib import Path

import pytest
from benchmark import BENCHMARKS, benchmark

DOCS = BENCHMARKS.parent / "docs"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "images").mkdir()
    benchmark("results_page").write_page(folder)
    return folder


def test_the_page_is_the_one_that_the_files_make(written: Path) -> None:
    """Run `python benchmarks/results_page.py` where this fails."""
    assert (written / "results.md").read_text() == (DOCS / "results.md").read_text()


def drawn_by(picture: bytes) -> bytes | None:
    found = re.search(rb"Matplotlib v[\d.]+", picture)
    return found[0] if found else None


def test_every_picture_of_it_too(written: Path) -> None:
    """Another version of the library draws the same figures with other numbers."""
    drawn = sorted(path.name for path in (written / "images").iterdir())
    named = re.findall(r"\(images/([\w.-]+)\)", (DOCS / "results.md").read_text())
    assert drawn == sorted(named)
    for name in drawn:
        now, kept = ((folder / "images" / name).read_bytes() for folder in (written, DOCS))
        assert now == kept or drawn_by(now) != drawn_by(kept), name


def test_an_edited_figure_of_a_file_is_another_page(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Path(shutil.copytree(BENCHMARKS / "results", tmp_path / "results"))
    gaps = json.loads((results / "group_gaps.json").read_text())
    gaps["found"]["fnmr"] += 1
    (results / "group_gaps.json").write_text(json.dumps(gaps))
    evidence = benchmark("results_evidence")
    before = evidence.evidence()
    assert before in (written / "results.md").read_text()
    monkeypatch.setattr(evidence, "RESULTS", results)
    assert evidence.evidence() != before


def test_it_says_what_was_asked_of_gaps_and_missed() -> None:
    found = {
        **json.loads((BENCHMARKS / "results" / "group_gaps.json").read_text()),
        "found": {"fmr": 100, "fnmr": 94},
        "accused": {"fmr": 0, "fnmr": 6},
    }
    told = benchmark("results_evidence")._met(found)
    assert "FNMR three times as high was found in 94 of 100, and 95% were asked" in told
    assert "not there was told in 6 of 100, and 5% were allowed" in told
    found |= {"found": {"fmr": 100, "fnmr": 95}, "accused": {"fmr": 0, "fnmr": 5}}
    assert benchmark("results_evidence")._met(found) == "Both are met."


def test_it_says_from_when_on_data_suffice_and_what_has_too_few_trials() -> None:
    coverage, page = benchmark("interval_coverage"), (DOCS / "results.md").read_text()
    assert f"at least {coverage.SUFFICES} false matches may be expected" in page
    found = json.loads((BENCHMARKS / "results" / "interval_coverage.json").read_text())
    short = coverage.lacking(found["populations"])
    assert ("**Not shown**: too few trials of" in page) == bool(short)
    for name, trials in short.items():
        assert f"{name} ({trials})" in page
    assert found["held"] == coverage.held_of(found["measured"], found["populations"])


def test_seeds_of_a_later_call_are_told_with_the_first_and_no_other_recipe_is(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = benchmark("results_unlabelled")
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    first = json.loads((BENCHMARKS / "results" / "methods-unlabelled.json").read_text())
    (tmp_path / "methods-unlabelled.json").write_text(json.dumps(first))
    (tmp_path / "images").mkdir()
    own, trained = page.unlabelled(tmp_path), first["recipe"]["student"]["train"]
    assert own in (written / "results.md").read_text()
    trained["steps"] += 100  # another day's pace
    first["seeds"] = [one + len(first["seeds"]) for one in first["seeds"]]
    later = tmp_path / "methods-unlabelled-from-1.json"
    later.write_text(json.dumps(first))
    assert f"All {2 * len(first['seeds'])} seeds" in page.unlabelled(tmp_path)
    trained["lr"] /= 2
    later.write_text(json.dumps(first))
    assert page.unlabelled(tmp_path) == own
