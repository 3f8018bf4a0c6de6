"""A stage that declares what stands in for it is rehearsed; nothing here knows it by name."""

from pathlib import Path

from tiny_school import run_in

from embedge.pipeline.dry_run.rehearsal import Rehearsal
from embedge.pipeline.run import Run, Stage
from embedge.progress import Progress


def chain(run: Run, worked: list[str]) -> list[Stage]:
    """Two stages of which the second reads a file and the facts of the first."""

    def first(folder: Path) -> dict[str, int]:
        worked.append("first")
        (folder / "rows.txt").write_text("real")
        return {"rows": 7}

    def any_rows(folder: Path) -> dict[str, int]:
        (folder / "rows.txt").write_text("any")
        return {"rows": 7}

    made = run.stage("first", {"seed": 1}, [], first, stand_in=any_rows)
    assert (made.folder / "rows.txt").read_text() in ("real", "any")
    more = run.stage("second", {"rows": made.facts["rows"]}, [made], lambda _: worked.append("2"))
    return [made, more]


def rehearsal(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path / "run", Progress(quiet=True), scratch=tmp_path / "scratch")


def test_keys_are_those_of_the_real_run_and_nothing_is_worked(tmp_path: Path) -> None:
    worked: list[str] = []
    run = rehearsal(tmp_path)
    foreseen = chain(run, worked)
    assert worked == []
    assert not (tmp_path / "run").exists()
    real = chain(run_in(tmp_path / "run"), worked)
    assert worked == ["first", "2"]
    assert [stage.key for stage in foreseen] == [stage.key for stage in real]


def test_finished_stages_are_reused_and_begun_ones_resumed(tmp_path: Path) -> None:
    first, second = chain(run_in(tmp_path / "run"), [])
    second.folder.rename(second.folder.with_name(second.folder.name + ".part"))
    run = rehearsal(tmp_path)
    found = chain(run, [])
    assert [run.foreseen[stage.key].state for stage in found] == ["reuse", "resume"]
    assert (found[0].folder / "rows.txt").read_text() == "real"
    assert found[0].folder == first.folder


def test_a_stage_is_rehearsed_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    run, made = rehearsal(tmp_path), list[Path]()
    for _ in range(3):
        run.stage("one", {}, [], made.append, stand_in=made.append)
    assert len(made) == len(run.foreseen) == 1
