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
        "PairScores": "scores",
        "pairs_within": "pairs",
        "pairs_between": "pairs",
        "equal_error": "rates",
        "operating_point": "rates",
        "Insufficient": "rates",
        "threshold_at": "thresholds",
        "split_subjects": "people.splits",
        "Comparison": "evaluation.figures",
        "Side": "evaluation.figures",
        "Asked": "evaluation.judge",
        "Subject": "evaluation.judge",
        "judge": "evaluation.judge",
    }
    __getattr__ = named_in(__name__, _HOMES)
