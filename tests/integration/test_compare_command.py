"""`embedge compare`: what was trained is reused, and the figures are those of the runs."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from begun_run import begun
from called import called, started

TINY = Path(__file__).parent / "tiny.yaml"


def compare(
    out: Path, *more: object, run: Callable[..., CompletedProcess[str]] = called
) -> CompletedProcess[str]:
    return run("compare", "--recipe", TINY, "--out", out, *more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    result = compare(out, "--methods", "scratch,proxyless", "--seeds", "2", run=started)
    assert result.returncode == 0, result.stderr
    return out, result


def test_the_table_tells_mean_and_spread_of_the_runs(
    finished: tuple[Path, CompletedProcess[str]],
) -> None:
    out, result = finished
    found = json.loads((out / "comparison.json").read_text())
    runs = found["methods"]["proxyless"]["runs"]
    assert [one["seed"] for one in runs] == [0, 1]
    tars = [one["cross-space"]["tar"]["0.2"] for one in runs]
    summary = found["methods"]["proxyless"]["summary"]["cross-space"]["0.2"]
    assert summary["mean"] == pytest.approx(statistics.fmean(tars))
    assert summary["sd"] == pytest.approx(statistics.stdev(tars))
    line = next(x for x in result.stdout.splitlines() if x.startswith("| proxyless"))
    assert f"{100 * summary['mean']:.2f} ± {100 * summary['sd']:.2f} %" in line
    assert summary["low"] < summary["mean"] < summary["high"]
    assert (out / "comparison.svg").read_text().count("<svg") == 1


def test_who_leads_is_told_with_an_interval_over_people(
    finished: tuple[Path, CompletedProcess[str]],
) -> None:
    out, result = finished
    methods = json.loads((out / "comparison.json").read_text())["methods"]
    means = {n: m["summary"]["cross-space"]["0.2"]["mean"] for n, m in methods.items()}
    best = max(means, key=means.get)
    assert f"{best} has the best cross-space TAR." in result.stdout
    assert methods[best]["behind"]["cross-space"]["0.2"] is None
    (other,) = set(methods) - {best}
    gap = methods[other]["behind"]["cross-space"]["0.2"]
    assert gap["difference"] == pytest.approx(means[best] - means[other])
    assert gap["low"] < gap["difference"] < gap["high"]
    assert 0 <= gap["seeds"] <= 2


def test_seeds_change_the_student_and_nothing_else(
    finished: tuple[Path, CompletedProcess[str]],
) -> None:
    out, _ = finished
    assert len(list(out.glob("stages/teacher-*"))) == 1
    assert len(list(out.glob("stages/held-out-*"))) == 1
    weights = [p.read_bytes() for p in out.glob("stages/student-proxyless-*/student.safetensors")]
    assert len(set(weights)) == 2


def test_a_slice_of_another_kind_of_teacher_is_refused_and_scratch_asks_for_none(
    finished: tuple[Path, CompletedProcess[str]],
) -> None:
    out, _ = finished
    wish = ("--student.start", "teacher", "--student.width", "1", "--student.train.steps", "2")
    shared = ("faces", "held-out", "teacher", "head", "cache")
    sliced, fresh = (begun(out.parent / name, out, *shared) for name in ("slice", "alone"))
    refused = compare(sliced, "--methods", "proxyless", "--seeds", "1", *wish)
    assert refused.returncode == 2
    assert "E-START" in refused.stderr
    assert "no MobileFaceNet" in refused.stderr
    alone = compare(fresh, "--methods", "scratch", "--seeds", "1", *wish)
    assert alone.returncode == 0, alone.stderr


def test_more_methods_train_only_what_is_new(finished: tuple[Path, CompletedProcess[str]]) -> None:
    out, _ = finished
    again = compare(out, "--methods", "proxyless,scratch,rkd", "--seeds", "1")
    assert again.returncode == 0, again.stderr
    assert "student-proxyless: reused" in again.stderr
    assert "student-scratch: reused" in again.stderr
    assert "student-rkd: done" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--methods", "magic"], "E-METHOD")],
)
def test_mistakes_are_answered(tmp_path: Path, arguments: list[str], code: str) -> None:
    result = compare(tmp_path / "x", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(f"embedge: {code}: ")
    assert not (tmp_path / "x").exists()
