import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from embedge.arguments import finite, share, whole
from embedge.errors import EmbedgeError


def test_numbers_of_every_kind_are_taken() -> None:
    assert [whole("n", value, least=1) for value in (1, np.uint8(7), 10**30)] == [1, 7, 10**30]
    assert [finite("x", value) for value in (-2, np.float32(0.5), Fraction(1, 4))] == [
        -2,
        0.5,
        0.25,
    ]
    assert [share("p", value) for value in (1, 1e-300, np.float64(0.5))] == [1, 1e-300, 0.5]


@pytest.mark.parametrize("value", [0, -1, 2.0, 2.5, math.nan, None, "4", True, b"4"])
def test_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(EmbedgeError) as caught:
        whole("batch", value, least=1)
    assert str(caught.value) == f"E-OPTION: batch is {value!r}. Give a whole number from 1 on"


@pytest.mark.parametrize("value", [math.inf, math.nan, "0.5", None, True, 10**400, 1j, Decimal(1)])
def test_what_is_no_number(value: object) -> None:
    for taken in (finite, share):
        with pytest.raises(EmbedgeError, match="E-OPTION: x is "):
            taken("x", value)


@pytest.mark.parametrize("value", [0, 2, -0.5])
def test_what_is_no_share(value: float) -> None:
    with pytest.raises(EmbedgeError, match="above 0, at most 1"):
        share("fmr", value)
