"""What numbers mean: scores, rates, intervals, thresholds, and one judge over them.

The names below are imported when they are first used.
"""

from typing import TYPE_CHECKING

from embedge import named_in

__all__ = [
    "Asked",
    "Comparison",
    "Insufficient",
    "PairScores",
    "Side",
    "Subject",
    "equal_error",
    "judge",
    "operating_point",
    "pairs_between",
    "pairs_within",
    "split_subjects",
    "threshold_at",
]

if TYPE_CHECKING:
    from embedge.calibration.evaluation.figures import Comparison, Side
    from embedge.calibration.evaluation.judge import Asked, Subject, judge
    from embedge.calibration.pairs import pairs_between, pairs_within
    from embedge.calibration.people.splits import split_subjects
    from embedge.calibration.rates import Insufficient, equal_error, operating_point
    from embedge.calibration.scores import PairScores
    from embedge.calibration.thresholds import threshold_at
else:  # a type checker that saw this would take every name for one, of any type
    _HOMES = {
        "scores": "PairScores",
        "pairs": "pairs_within pairs_between",
        "rates": "equal_error operating_point Insufficient",
        "thresholds": "threshold_at",
        "people.splits": "split_subjects",
        "evaluation.figures": "Comparison Side",
        "evaluation.judge": "Asked Subject judge",
    }
    __getattr__ = named_in(__name__, _HOMES)
