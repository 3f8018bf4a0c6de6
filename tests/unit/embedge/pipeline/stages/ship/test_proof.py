"""Thresholds are set on some strangers, everything else is found on the others."""

from pathlib import Path

import numpy as np
import pytest
from tiny_school import run_in

from embedge.calibration.evaluation.figures import Key, Side
from embedge.calibration.evaluation.judge import Subject
from embedge.files import sha256_file
from embedge.pipeline.proving.judging import Views
from embedge.pipeline.recipe import Data, Recipe
from embedge.pipeline.run import Stage
from embedge.pipeline.stages.learn.checks import roles_in
from embedge.pipeline.stages.ship import proof
from embedge.pipeline.stages.ship.gates import gates_of
from embedge.pipeline.stages.ship.parity_result import TEACHER, ParityResult, student
from embedge.pipeline.stages.ship.proof import parity_from_views, parity_of, parity_stage
from embedge.pipeline.stages.ship.views import JudgedStages
from embedge.progress import Progress
from embedge.train.data import FaceSet

PEOPLE, EACH, DIM = 40, 3, 16
LABELS = np.repeat(np.arange(PEOPLE), EACH)
FACES = FaceSet(
    "strangers",
    np.zeros((len(LABELS), 112, 112, 3), np.uint8),
    LABELS,
    tuple(f"p{n}" for n in range(PEOPLE)),
    "f" * 64,
)
WITHOUT_BASELINE = [
    Key(TEACHER, TEACHER),
    Key(student("fp32"), student("fp32")),
    Key(TEACHER, student("fp32")),
    Key(student("fp16"), student("fp16")),
    Key(student("fp32"), student("fp16")),
    Key(TEACHER, student("fp16")),
]


def recipe(**evaluate: object) -> Recipe:
    wanted = {"fmrs": [0.1], "threshold_fmr": 0.1, "gate_fmr": 0.1, **evaluate}
    return Recipe.model_validate({"name": "x", "evaluate": wanted})


@pytest.fixture
def graphs(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / f"student.{name}.onnx" for name in ("fp32", "fp16")}
    for name, path in found.items():
        path.write_text(name)
    return found


def views(*, shared: bool = True, baseline_dim: int | None = None) -> Views:
    """Everybody near a centre of their own; fp32 is the student in torch to the bit."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(PEOPLE, DIM))[LABELS] + 0.3 * rng.normal(size=(len(LABELS), DIM))

    def subject(side: Side, rows: np.ndarray, error: float) -> Subject:
        rows = rows + error * rng.normal(size=rows.shape)
        return Subject(side, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f4"))

    fp32 = subject(student("fp32"), rows, 0.1)
    scratch = baseline_dim and subject(Side("scratch"), rows[:, :baseline_dim], 0.3)
    return Views(
        teacher=subject(TEACHER, rows, 0.1),
        student=fp32.rows,
        baseline=scratch or None,
        original=None,
        artifacts={"fp32": fp32, "fp16": subject(student("fp16"), fp32.rows, 0.05)},
        providers={"fp32": "CPU", "fp16": "GPU"},
        shared=shared,
    )


def found(graphs: dict[str, Path], seen: Views, **evaluate: object) -> ParityResult:
    return parity_from_views(recipe(**evaluate), FACES, seen, graphs, Progress(quiet=True))


def test_thresholds_and_figures_are_of_different_people(graphs: dict[str, Path]) -> None:
    result = found(graphs, views())
    roles = roles_in(FACES, recipe())
    calibrate, test = roles.threshold, roles.judge
    assert result.dataset.images == test.sum()
    assert result.dataset.identities + result.dataset.threshold_identities == PEOPLE
    fp32, fp16 = result.artifacts["fp32"], result.artifacts["fp16"]
    assert fp32.threshold
    assert fp32.threshold.subjects == len(np.unique(LABELS[calibrate]))
    assert fp32.threshold.model == sha256_file(graphs["fp32"])
    assert fp32.threshold_against_teacher not in (None, fp32.threshold)
    assert [one.fmr_target for one in fp32.thresholds] == [0.1]
    assert (fp32.provider, fp16.provider) == ("CPU", "GPU")
    assert fp32.cosine.min == pytest.approx(1, abs=1e-5)
    assert fp16.cosine.min < 0.999
    assert (fp16.cosine.n, fp16.shortage) == (len(LABELS), None)
    assert result.dataset.thresholds_on == "the same people"  # all pictures are black


def test_every_artifact_is_compared_alone_with_the_first_and_with_the_teacher(
    graphs: dict[str, Path],
) -> None:
    assert [one.key for one in found(graphs, views()).comparisons] == WITHOUT_BASELINE


def test_a_space_of_its_own_is_never_held_against_the_teachers_gallery(
    graphs: dict[str, Path],
) -> None:
    result = found(graphs, views(shared=False))
    alone = [key for key in WITHOUT_BASELINE if key.gallery != TEACHER or key.probe == TEACHER]
    assert [one.key for one in result.comparisons] == alone
    assert result.artifacts["fp32"].threshold_against_teacher is None


@pytest.mark.parametrize(("dim", "across"), [(DIM, True), (DIM // 2, False)])
def test_a_baseline_meets_the_teacher_where_their_rows_are_as_long(
    graphs: dict[str, Path], dim: int, across: bool
) -> None:
    scratch = Side("scratch")
    keys = [one.key for one in found(graphs, views(baseline_dim=dim)).comparisons]
    more = [Key(scratch, scratch)] + [Key(TEACHER, scratch)] * across
    assert keys == WITHOUT_BASELINE + more


def test_too_few_people_for_an_fmr_get_the_strictest_that_they_carry_and_are_told(
    graphs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = recipe(threshold_fmr=1e-6)
    fp32 = parity_from_views(wanted, FACES, views(), graphs, Progress()).artifacts["fp32"]
    assert fp32.shortage
    assert (fp32.shortage.asked, fp32.shortage.people) == (1e-6, 20)
    assert fp32.shortage.needs == 2502
    assert fp32.threshold
    assert fp32.threshold_against_teacher
    assert fp32.threshold.fmr_target in (0.02, 0.05)  # 190 pairs of people: 1.6 % at best
    assert fp32.threshold.fmr_upper <= fp32.threshold.fmr_target
    said = capsys.readouterr().err
    assert "FMR 1e-06, which 20 people do not carry (it takes 2,502): it is set for 0.0" in said


def test_where_not_even_one_in_ten_is_carried_there_is_no_threshold(
    graphs: dict[str, Path],
) -> None:
    few = FaceSet("few", FACES.images[:18], LABELS[:18], FACES.identities[:6], "f" * 64)
    seen = views().of(np.arange(len(LABELS)) < 18)
    result = parity_from_views(recipe(), few, seen, graphs, Progress(quiet=True))
    fp32 = result.artifacts["fp32"]
    assert (fp32.threshold, fp32.threshold_against_teacher) == (None, None)
    assert fp32.shortage
    assert fp32.shortage.needs == 9
    assert not {gate.name: gate for gate in gates_of(recipe(), result)}["thresholds"].passed


def test_one_picture_under_two_people_spoils_the_figures(graphs: dict[str, Path]) -> None:
    images = np.random.default_rng(0).integers(0, 255, FACES.images.shape, np.uint8)
    sound = FaceSet("s", images, LABELS, FACES.identities, "f" * 64)
    result = parity_from_views(recipe(), sound, views(), graphs, Progress(quiet=True))
    assert result.dataset.thresholds_on == "other people"
    assert not [one for one in result.findings if one.severity == "error"]
    roles = roles_in(sound, recipe())
    judged, setting = (int(np.flatnonzero(mask)[0]) for mask in (roles.judge, roles.threshold))
    images = images.copy()
    images[judged] = images[setting]
    copied = FaceSet("s", images, LABELS, FACES.identities, "f" * 64)
    result = parity_from_views(recipe(), copied, views(), graphs, Progress(quiet=True))
    assert result.dataset.thresholds_on == "the same people"
    assert "duplicate-picture" in [one.code for one in result.findings]
    told = {gate.name: gate for gate in gates_of(recipe(), result)}["held-out people"]
    assert (told.value, told.passed) == (2, False)


def test_who_learnt_from_people_of_a_data_set_is_not_claimed(graphs: dict[str, Path]) -> None:
    assert found(graphs, views()).dataset.people == ""  # rendered: known
    own = recipe().model_copy(update={"data": Data(source="faces")})
    told = parity_from_views(own, FACES, views(), graphs, Progress(quiet=True)).dataset.people
    assert "not checked" in told


def test_the_worst_pairs_are_told_by_their_place_among_all_pictures(
    graphs: dict[str, Path],
) -> None:
    seen, test = views(), roles_in(FACES, recipe()).judge
    worst = found(graphs, seen).worst
    rows, same = seen.artifacts["fp32"].rows, LABELS[:, None] == LABELS
    cosines, judged = rows @ rows.T, test[:, None] & test
    genuine = judged & same & ~np.eye(len(rows), dtype=bool)
    assert worst.impostors[0].cosine == pytest.approx(cosines[judged & ~same].max(), abs=1e-5)
    assert worst.genuines[0].cosine == pytest.approx(cosines[genuine].min(), abs=1e-5)
    for pair in (*worst.impostors, *worst.genuines):
        assert pair.cosine == pytest.approx(cosines[pair.a, pair.b], abs=1e-5)


def test_the_stage_keeps_its_findings(
    graphs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = views()
    monkeypatch.setattr(proof, "views_of", lambda *_: seen)
    FACES.save(tmp_path / "held-out")
    stages = [Stage(name, "0", tmp_path / name, {}) for name in ("held-out", "teacher", "student")]
    run = run_in(tmp_path / "run")
    first = parity_stage(run, recipe(), JudgedStages(*stages), graphs, [])
    assert parity_of(first) == found(graphs, seen)
    assert parity_stage(run, recipe(), JudgedStages(*stages), graphs, []) == first
    other = recipe(fmrs=[0.2])
    assert parity_stage(run, other, JudgedStages(*stages), graphs, []).key != first.key
