from argparse import Namespace

import pytest

from embedge.cli.proof.evaluating.checks import check_options
from embedge.errors import EmbedgeError

FINE = {
    "matrix": False,
    "groups": None,
    "all_pairs": True,
    "groups_fmr": None,
    "require_provider": None,
    "runtime": None,
}


def test_what_makes_sense_passes() -> None:
    check_options(Namespace(**FINE))


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"matrix": True, "all_pairs": False}, "--all-pairs"),
        ({"groups_fmr": 1e-3}, "--groups FILE"),
        ({"runtime": "ncnn", "require_provider": "CPUExecutionProvider"}, "one of the two"),
    ],
)
def test_what_does_not_is_refused_with_what_to_give(changed: dict, remedy: str) -> None:
    with pytest.raises(EmbedgeError, match="E-EVALUATE-OPTIONS") as caught:
        check_options(Namespace(**{**FINE, **changed}))
    assert remedy in str(caught.value)
