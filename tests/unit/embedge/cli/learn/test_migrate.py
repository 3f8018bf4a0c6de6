import argparse
import json

import pytest
from two_galleries import NEW, threshold

from embedge.cli.learn.migrate import _tell, add_migrate_options, run_migrate
from embedge.errors import EmbedgeError
from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.migration.standing import Standing


def options_of(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_migrate_options(parser)
    return parser.parse_args(list(words))


def test_a_map_alone_does_not_say_how_the_new_model_is_fed() -> None:
    with pytest.raises(EmbedgeError, match=r"E-MIGRATION.*--bundle NEW"):
        run_migrate(options_of("--bridge", "a.bridge"))


def test_one_direction_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options_of("--back", "--forget-old")
    assert "not allowed with" in capsys.readouterr().err


def test_a_gallery_that_never_crossed(capsys: pytest.CaptureFixture[str]) -> None:
    _tell(Standing(None, 7, 3, (), ()), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "searched: 7 templates of 3 people (own model)",
        "backfill: 3 of 3 people have a native template; 0 templates are bridged",
        "kept sealed, not searched: 0 templates",
    ]


def test_gone_back_the_new_models_templates_are_called_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    back = Crossing(NEW, "b" * 64, (threshold(),), hidden=2, bridged=2)
    _tell(Standing(back, 2, 2, ("ann", "ben"), ()), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "searched: 2 templates of 2 people (own model)",
        "of the new model, not searched: 0 of 2 people have a native template; 2 templates are"
        " bridged",
        "kept sealed, not searched: 2 templates",
    ]


def test_those_to_enrol_again_are_named_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    again = tuple(f"p{number:02}" for number in range(22))
    found = Standing(None, 30, 30, again, again)
    _tell(found, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[3:5] == ["enrol again: p00", "enrol again: p01"]
    assert lines[-1] == "… and 2 more: embedge gallery bridged"
    _tell(found, as_json=True)
    assert json.loads(capsys.readouterr().out)["enrol_again"] == list(again)
