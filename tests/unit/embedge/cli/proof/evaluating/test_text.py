from dataclasses import replace
from typing import Any

import numpy as np

from embedge.calibration.evaluation.figures import (
    Acquisition,
    AtThreshold,
    Comparison,
    EqualErrorRate,
    Key,
    Rate,
    Side,
    TarPoint,
)
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.evaluation.judge import judged_scores
from embedge.calibration.identification import SearchPoint
from embedge.calibration.pairs import pairs_within
from embedge.cli.proof.evaluating import text as evaluate_text
from embedge.runtime.encoders import unit_rows

OLD, NEW = Side("old"), Side("new", "fp32")
ROWS = unit_rows(np.random.default_rng(0).normal(size=(9, 16)).astype(np.float32))
JUDGED = judged_scores(Key(OLD, OLD), pairs_within(ROWS, np.arange(9) // 3), ())


def compared(
    gallery: Side, probe: Side, *tar: TarPoint, eer: EqualErrorRate | None = None, **parts: Any
) -> Comparison:
    """As the judge tells it of nine pictures, but for these figures."""
    said: dict[str, Any] = {"genuine": 1200, "impostor": 9, "eer": eer, "tar": tar, **parts}
    return replace(JUDGED, gallery=gallery, probe=probe, **said)


def point(fmr: float, tar: float) -> TarPoint:
    return TarPoint(fmr, tar, tar - 0.01, tar + 0.01, 0.25)


def test_the_matrix_is_of_the_lowest_fmr_that_every_cell_carries() -> None:
    shares = {(OLD, OLD): 0.9, (OLD, NEW): 0.8, (NEW, OLD): 0.7, (NEW, NEW): 0.6}
    cells = tuple(
        compared(*sides, point(1e-2, share), point(1e-3, share / 2), TarPoint(1e-4, needs=10**5))
        for sides, share in shares.items()
    )
    head, names, *rows = evaluate_text._matrix([OLD, NEW], cells)
    assert head.startswith("TAR@1e-03, gallery (row)")
    assert names.split() == ["old", "new", "fp32"]
    assert [row.split()[-2:] for row in rows] == [["45.000%", "40.000%"], ["35.000%", "30.000%"]]
    none = tuple(compared(*sides, TarPoint(1e-4, needs=10**5)) for sides in shares)
    assert evaluate_text._matrix([OLD, NEW], none) == ["matrix: insufficient data at every FMR"]


def test_what_the_data_cannot_carry_is_said_with_what_it_takes() -> None:
    poor = compared(OLD, OLD, TarPoint(1e-4, needs=246, have=9), eer=None)
    assert evaluate_text._verification(poor, None, None) == [
        "  pairs      1,200 genuine, 9 impostor",
        "  EER        insufficient data",
        "  TAR@1e-04  insufficient data: FMR 0.0001 needs 246 people; there are 9",
    ]
    assert "needs 5,000 searches by strangers" in evaluate_text._search(
        SearchPoint(1e-3, needs=5000, of="strangers")
    )


def test_rates_come_with_their_intervals() -> None:
    at = AtThreshold(0.3, Rate(0.001, 0.0005, 0.002), Rate(0.02, 0.01, 0.03))
    rich = compared(
        OLD, OLD, point(1e-2, 0.9), eer=EqualErrorRate(0.05, 0.04, 0.06, 0.2), at_threshold=at
    )
    assert evaluate_text._verification(rich, None, None)[1:] == [
        "  EER        5.000%  [4.000%, 6.000%]",
        "  TAR@1e-02  90.000%  [89.000%, 91.000%]  above 0.2500",
        "  at its own threshold 0.3000: FMR 0.100% [0.050%, 0.200%], FNMR 2.000% [1.000%, 3.000%]",
    ]
    assert evaluate_text._rate(None, None, None) == "no comparison"
    assert "1 of 4 pictures could not be used (FTA 25.000%)" in "".join(
        evaluate_text._acquisition(Acquisition.of(4, {"a": "no face"}))
    )


def test_of_a_fault_three_examples_are_shown() -> None:
    fault = DataFault("LEAK", "error", "people leak", 4, ("a", "b", "c", "d"))
    lines = evaluate_text._findings([fault], "  ")
    assert lines == ["  ERROR LEAK: people leak", "    a", "    b", "    c"]
