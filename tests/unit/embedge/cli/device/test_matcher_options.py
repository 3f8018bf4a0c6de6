import argparse
from pathlib import Path

import pytest

from embedge.cli.device.matcher_options import add_matcher_options, bundle_from, matcher_from
from embedge.errors import EmbedgeError


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_matcher_options(parser)
    return parser.parse_args(["tiny.embedge", *arguments])


def test_the_matcher_runs_what_was_asked_for(place: Path) -> None:
    with matcher_from(options()) as matcher:
        assert matcher.artifact.name == "fp32"
    with matcher_from(options("--artifact", "raw")) as matcher:
        assert matcher.artifact.name == "raw"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--artifact", "int4"], "E-ARTIFACT"),
        (["--require-provider", "NoSuchProvider"], "E-PROVIDER"),
        (["--at-least-version", "2"], "E-OPTION"),
        (["--detector", "absent.onnx"], "E-"),
    ],
)
def test_what_cannot_be_had_is_refused(arguments: list[str], code: str, place: Path) -> None:
    with pytest.raises(EmbedgeError) as caught:
        matcher_from(options(*arguments))
    assert caught.value.code.startswith(code)


def test_an_unsigned_bundle_is_trusted_by_no_key(place: Path) -> None:
    with bundle_from(options()) as bundle:
        assert bundle.name == "tiny"
    Path("who.pub").write_text("not a key")
    with pytest.raises(EmbedgeError):
        bundle_from(options("--trust", "who.pub"))
