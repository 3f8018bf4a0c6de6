from embedge.calibration.evaluation.figures import DetCurve, TarPoint


def test_what_is_short_is_told_in_its_own_unit() -> None:
    point = TarPoint(1e-3, needs=1085, have=30)
    assert point.shortage == "needs 1,085 people; there are 30"
    assert point.lacks == "insufficient data: FMR 0.001 needs 1,085 people; there are 30"


def test_a_curve_without_errors_cannot_be_drawn() -> None:
    def curve(*fnmr: float) -> DetCurve:
        return DetCurve((0.1, 0.2), (0.5, 0.0), fnmr, fnmr, fnmr)

    assert not curve(0.0, 0.0).drawable
    assert not curve(0.0, 0.4).drawable  # only where no stranger is taken for anybody
    assert curve(0.1, 0.4).drawable
