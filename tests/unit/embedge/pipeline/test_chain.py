"""All stages hang together by what they are made from, and one process of several tells of them."""

from pathlib import Path
from typing import Any

import pytest
from tiny_school import run_in, tiny_recipe

from embedge.pipeline import chain
from embedge.pipeline.chain import distill_and_export, every_stage
from embedge.pipeline.dry_run.rehearsal import Rehearsal
from embedge.pipeline.run import Run, Stage
from embedge.progress import Progress


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rehearsal, dict[str, Stage]]:
    folder = tmp_path_factory.mktemp("rehearsed")
    run = Rehearsal(folder / "run", Progress(quiet=True), scratch=folder / "scratch")
    return run, every_stage(run, tiny_recipe())


def after(rehearsed: tuple[Rehearsal, dict[str, Stage]], name: str) -> set[str]:
    run, stages = rehearsed
    return {stage.key for stage in run.foreseen[stages[name].key].declared.after}


def test_every_stage_has_a_key_of_its_own(
    rehearsed: tuple[Rehearsal, dict[str, Stage]],
) -> None:
    stages = rehearsed[1]
    assert list(stages)[-1] == "report"
    assert len({stage.key for stage in stages.values()}) == len(stages)
    wanted = {"faces", "teacher", "head", "student", "baseline", "onnx", "int8", "engines"}
    assert set(stages) >= wanted | {"calibrate", "held-out", "parity", "bench"}


def test_the_report_is_made_again_when_anything_is(
    rehearsed: tuple[Rehearsal, dict[str, Stage]],
) -> None:
    others = {name: stage for name, stage in rehearsed[1].items() if name != "report"}
    assert after(rehearsed, "report") == {stage.key for stage in others.values()}


def test_what_is_measured_is_what_was_exported(
    rehearsed: tuple[Rehearsal, dict[str, Stage]],
) -> None:
    stages = rehearsed[1]
    for measured in ("parity", "bench"):
        assert after(rehearsed, measured) >= {
            stages[name].key for name in ("held-out", "onnx", "int8")
        }
    judged = {stages[name].key for name in ("teacher", "student", "baseline")}
    assert judged <= after(rehearsed, "parity")
    assert not judged & after(rehearsed, "bench")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that were taken, in order; each has nothing to do."""
    steps: list[str] = []
    bundle = tmp_path / "tiny.embedge"

    def step(name: str, found: Any) -> Any:
        return lambda *_, **__: (steps.append(name), found)[1]  # type: ignore[func-returns-value]

    stage = Stage("any", "0", tmp_path, {})
    learnt = dict.fromkeys(("teacher", "student", "faces", "head"), stage)
    names = ("onnx", "calibrate", "int8", "engines", "held_out", "parity", "bench", "report")
    for name in names:
        monkeypatch.setattr(chain, f"{name}_stage", step(name, stage))
    monkeypatch.setattr(chain, "graphs_of", lambda *_: {})
    monkeypatch.setattr(chain, "school_of", lambda *_: (None, None))
    monkeypatch.setattr(chain, "learning_stages", step("learn", learnt))
    monkeypatch.setattr(chain, "publish_bundle", step("publish", bundle))
    monkeypatch.setattr(chain.ranks, "dismiss", step("dismiss", None))
    monkeypatch.setattr(chain, "read_report", lambda path: f"read from {path}")
    return steps


def outcome(folder: Path) -> chain.Outcome | None:
    run: Run = run_in(folder / "run")
    return distill_and_export(run, tiny_recipe(), "a command")


def test_the_outcome_is_the_bundle_and_the_report_in_it(asked: list[str], tmp_path: Path) -> None:
    found = outcome(tmp_path)
    assert found is not None
    assert found.bundle == tmp_path / "tiny.embedge"
    assert found.report == f"read from {found.bundle / 'report.json'}"
    assert asked[:2] == ["learn", "dismiss"]
    assert asked[-2:] == ["report", "publish"]


def test_other_processes_learn_along_and_leave(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain.ranks, "rank", lambda: 1)
    assert outcome(tmp_path) is None
    assert asked == ["learn", "dismiss"]
