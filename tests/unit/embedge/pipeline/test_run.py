import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from embedge.errors import EmbedgeError
from embedge.pipeline.run import Run, open_run
from embedge.progress import Progress

QUIET = Progress(quiet=True)


def opened(
    folder: Path, recipe: dict[str, Any] | None = None, *, update: bool = False
) -> AbstractContextManager[Run]:
    return open_run(folder, recipe or {"name": "r", "a": {"b": 1}}, QUIET, update=update)


def test_a_finished_stage_is_reused_and_a_changed_one_is_not(tmp_path: Path) -> None:
    calls = []

    def work(folder: Path) -> dict[str, Any]:
        calls.append(folder)
        (folder / "out").write_text("x")
        return {"n": len(calls)}

    with opened(tmp_path / "run") as run:
        first = run.stage("one", {"k": 1}, [], work)
        again = run.stage("one", {"k": 1}, [], work)
        other = run.stage("one", {"k": 2}, [], work)
        after_first = run.stage("two", {}, [first], work)
        after_other = run.stage("two", {}, [other], work)
    assert again == first
    assert first.facts == {"n": 1}
    assert run.reused == ["one"]
    assert len({first.key, other.key, after_first.key, after_other.key}) == 4
    assert (first.folder / "out").read_text() == "x"


def test_a_failing_stage_leaves_no_finished_folder(tmp_path: Path) -> None:
    def fail(folder: Path) -> NoReturn:
        (folder / "half").write_text("h")
        raise ValueError("boom")

    with opened(tmp_path / "run") as run, pytest.raises(ValueError, match="boom"):
        run.stage("one", {}, [], fail)
    with opened(tmp_path / "run") as run:
        kept = run.stage("one", {}, [], lambda folder: {"half": (folder / "half").exists()})
    assert kept.facts == {"half": True}  # what a stage had begun is there for it to resume


def test_a_writer_killed_within_a_stage_leaves_nothing_in_the_finished_one(tmp_path: Path) -> None:
    killed = (
        "import os, sys; from pathlib import Path; from embedge.files import whole_file\n"
        "with whole_file(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )

    def die(folder: Path) -> NoReturn:
        subprocess.run([sys.executable, "-c", killed, str(folder / "deep" / "steps.csv")])
        raise ValueError("killed")

    def left(folder: Path) -> list[str]:
        return [path.name for path in folder.rglob("*") if path.is_file()]

    with opened(tmp_path / "run") as run, pytest.raises(ValueError, match="killed"):
        run.stage("one", {}, [], die)
    assert any(name.endswith(".part") for name in left(tmp_path / "run"))
    with opened(tmp_path / "run") as run:
        finished = run.stage("one", {}, [], lambda folder: None)
    assert left(finished.folder) == ["stage.json"]


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    def fill(folder: Path) -> NoReturn:
        raise OSError(28, "No space left on device", str(folder / "big"))

    def fill_by_rust(folder: Path) -> NoReturn:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    for work in (fill, fill_by_rust):
        with opened(tmp_path / "run") as run, pytest.raises(EmbedgeError) as caught:
            run.stage("one", {}, [], work)
        assert caught.value.code == "E-WRITE"
        assert "No space left" in str(caught.value)


def test_a_folder_of_another_recipe_is_refused_and_kept(tmp_path: Path) -> None:
    with opened(tmp_path / "run"):
        pass
    with (
        pytest.raises(EmbedgeError, match=r"E-RUN-OTHER.*a\.b"),
        opened(tmp_path / "run", {"name": "r", "a": {"b": 2}}),
    ):
        pass
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["a"] == {"b": 1}
    with opened(tmp_path / "run", {"name": "r", "a": {"b": 2}}, update=True):
        pass


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(EmbedgeError, match="E-RUN-FOLDER"), opened(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(EmbedgeError, match=r"E-RUN-FOLDER.*a file"), opened(tmp_path / "run"):
        pass


def test_two_processes_do_not_share_a_run(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from embedge.pipeline.run import open_run; from embedge.progress import Progress;"
        "run = open_run(Path(sys.argv[1]), {'name': 'r', 'a': {'b': 1}}, Progress(quiet=True),"
        " update=False);"
        "run.__enter__(); print('in', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(EmbedgeError, match="E-RUN-BUSY"), opened(tmp_path / "run"):
            pass
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.communicate()
    with opened(tmp_path / "run"):  # a killed process leaves no stale lock
        pass


def test_an_update_that_was_interrupted_leaves_the_recipe_that_made_the_folder(
    tmp_path: Path,
) -> None:
    old, new = {"name": "r", "a": 1}, {"name": "r", "a": 2}
    told = tmp_path / "run" / "recipe.json"
    with opened(tmp_path / "run", old):
        pass
    with pytest.raises(KeyboardInterrupt), opened(tmp_path / "run", new, update=True):
        raise KeyboardInterrupt
    assert json.loads(told.read_text()) == old
    with pytest.raises(EmbedgeError, match="E-RUN-OTHER"), opened(tmp_path / "run", new):
        pass
    with opened(tmp_path / "run", new, update=True):
        pass
    assert json.loads(told.read_text()) == new
    assert not (tmp_path / "run" / "recipe.coming.json").exists()


@pytest.mark.parametrize("text", ["", '{"name": "r", "a":', "[]", "{}", '{"facts": 1}'])
def test_a_stage_whose_mark_was_cut_short_is_worked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    def work(folder: Path) -> dict[str, Any]:
        (folder / "out").write_text("whole")
        return {"n": 1}

    with opened(tmp_path / "run") as run:
        done = run.stage("one", {}, [], work)
    (done.folder / "out").write_text("hal")
    (done.folder / "stage.json").write_text(text)
    with open_run(tmp_path / "run", {"name": "r", "a": {"b": 1}}, Progress(), update=False) as run:
        assert run.stage("one", {}, [], work) == done
        assert (done.folder / "out").read_text() == "whole"
        assert not run.reused
    assert f"{done.folder / 'stage.json'} cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", '{"name": "r", "a":', "[]"])
@pytest.mark.parametrize("update", [False, True])
def test_a_recipe_that_was_cut_short_is_named(tmp_path: Path, text: str, update: bool) -> None:
    kept = tmp_path / "run" / "recipe.json"
    with opened(tmp_path / "run") as run:
        run.stage("one", {}, [], lambda folder: None)
    kept.write_text(text)
    with (
        pytest.raises(EmbedgeError, match=r"E-RUN-DAMAGED.*recipe\.json.*Delete this file"),
        opened(tmp_path / "run", update=update),
    ):
        pass
    kept.unlink()
    with opened(tmp_path / "run") as run:
        run.stage("one", {}, [], lambda folder: None)
        assert run.reused == ["one"]


def test_a_file_of_a_stage_that_was_cut_short_is_named(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as run:
        done = run.stage("one", {}, [], lambda f: save_file({"a": torch.ones(9)}, f / "a.st"))
    assert done.opened("a.st", load_file)["a"].sum() == 9
    path = done.folder / "a.st"
    path.write_bytes(path.read_bytes()[:30])
    for name in ("a.st", "gone.npy"):
        with pytest.raises(EmbedgeError, match=rf"E-RUN-DAMAGED.*{name}.*Delete the folder"):
            done.opened(name, np.load if name == "gone.npy" else load_file)
