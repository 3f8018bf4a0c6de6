from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from two_spaces import people, rotation, strangers, unit

from embedge.calibration.bridging.agreement import agreement
from embedge.calibration.bridging.verdict import Demands, verdict
from embedge.errors import EmbedgeError
from embedge.runtime.bridge import End
from embedge.train.bridge.aim import Aim
from embedge.train.bridge.attacker import attacker_curve
from embedge.train.bridge.fit import fitted_bridge
from embedge.train.bridge.kernel import Features
from embedge.train.bridge.linear import Moments, orthogonal
from embedge.train.bridge.pairs import Pairs

OLD, NEW = End("old", "a", 48), End("new", "b", 40)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.einsum("nd,nd->n", one, other).mean())


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    old, new = strangers(2000)
    return Pairs([old], [new])


@pytest.mark.parametrize("kind", ["orthogonal", "ridge", "kernel"])
def test_every_kind_carries_rows_it_never_saw(pairs: Pairs, kind: str) -> None:
    fitted = fitted_bridge(OLD, NEW, pairs, kind=kind)
    old, new = strangers(500, seed=900)
    assert fitted.kind == kind
    assert cosine(fitted.bridge.apply(old), new) > 0.7
    blind = cosine(fitted.bridge.apply(old), new[::-1])
    assert blind < 0.2


def test_left_out_rows_are_what_a_map_without_them_says(pairs: Pairs) -> None:
    """Their cosine foretells that of new faces; that of fitted ones would be higher."""
    fitted = fitted_bridge(OLD, NEW, pairs, kind="kernel")
    old, new = strangers(2000, seed=901)
    held_out = cosine(fitted.held_out, fitted.native)
    assert cosine(fitted.bridge.apply(old), new) == pytest.approx(held_out, abs=0.01)
    assert cosine(fitted.bridge.apply(pairs.old[0]), pairs.new[0]) > held_out
    foretold = fitted.bridge.bridged(old).expected
    assert float(foretold.mean()) == pytest.approx(held_out, abs=0.02)


def best_cosines(pairs: Pairs) -> dict[str, float]:
    fitted = fitted_bridge(OLD, NEW, pairs)
    best: dict[str, float] = {}
    for one in fitted.candidates:
        best[one.kind] = max(one.cosine, best.get(one.kind, -1))
    assert fitted.bridge.facts["cosine"] == max(best.values())
    assert fitted.kind == max(best, key=best.__getitem__)
    return best


def test_the_bent_part_pays_where_there_is_one_and_the_best_is_taken(pairs: Pairs) -> None:
    best = best_cosines(pairs)
    assert min(best["kernel"], best["ridge"]) > best["orthogonal"]
    turn = np.random.default_rng(3).normal(size=(48, 40))
    bent = unit((np.square(pairs.old[0] @ turn) @ rotation(40, 4)).astype(np.float32))
    best = best_cosines(Pairs(pairs.old, [unit(bent - bent.mean(0))]))
    assert best["kernel"] > best["ridge"] + 0.02


def test_one_space_is_recognised_and_left_alone() -> None:
    random = np.random.default_rng(5)
    teacher = unit(random.normal(size=(900, 40)))
    student = unit(teacher + 0.1 * random.normal(size=teacher.shape))
    fitted = fitted_bridge(End("t", "a", 40), End("s", "b", 40), Pairs([teacher], [student]))
    assert fitted.kind == "identity"
    assert np.allclose(fitted.bridge.apply(teacher), teacher, atol=1e-6)
    turned = (student @ rotation(40, 2).T).astype(np.float32)
    other = fitted_bridge(End("t", "a", 40), End("s", "b", 40), Pairs([teacher], [turned]))
    assert other.kind != "identity"


def with_zero_point(rows: np.ndarray) -> np.ndarray:
    return unit(np.round(rows * np.sqrt(rows.shape[1]) * 32 + 128))


@pytest.mark.parametrize("seen", [unit, with_zero_point])
@pytest.mark.parametrize(
    "spoiled", ["shuffled", "half shuffled", "mirrored axes", "axes in another order", "noise"]
)
def test_what_only_looks_like_one_space_is_not_taken_for_one(
    spoiled: str, seen: Callable[[np.ndarray], np.ndarray]
) -> None:
    random = np.random.default_rng(6)
    teacher = unit(random.normal(size=(900, 40)))
    student = unit(teacher + 0.1 * random.normal(size=teacher.shape))
    decoy = {
        "shuffled": student[random.permutation(900)],
        "half shuffled": np.concatenate([student[:450], student[:449:-1]]),
        "mirrored axes": student * np.where(np.arange(40) % 2, -1, 1).astype(np.float32),
        "axes in another order": student[:, random.permutation(40)],
        "noise": unit(random.normal(size=teacher.shape)),
    }[spoiled]
    fitted = fitted_bridge(
        End("t", "a", 40), End("s", "b", 40), Pairs([seen(teacher)], [seen(decoy)])
    )
    assert fitted.kind != "identity"


def test_the_identity_of_teacher_and_student_is_said_and_is_a_go() -> None:
    random = np.random.default_rng(5)
    teacher = unit(random.normal(size=(900, 40)))
    student = unit(teacher + 0.1 * random.normal(size=teacher.shape))
    fitted = fitted_bridge(End("t", "a", 40), End("s", "b", 40), Pairs([teacher], [student]))
    agreed = agreement(fitted.held_out, fitted.native, (1e-3,))
    told = verdict(fitted.bridge, agreed, None, Demands(1e-4, 0.96))
    assert told.decision == "go"
    assert "the identity within its error" in told.reasons[0]
    own = Moments.of(teacher, student)
    away = orthogonal(own).matrix - np.eye(40)
    error = 2 * np.sqrt(40) * 0.1 / (np.sqrt(1 / 40) * np.sqrt(900))  # of a random matrix so noisy
    assert np.linalg.norm(away, 2) < error


def test_more_views_are_more_pairs_and_stay_in_one_fold() -> None:
    old, new = strangers(600)
    again_old, again_new = strangers(600, seed=7)
    both = Pairs([old, again_old], [new, again_new])
    one, two = both.rows(np.asarray([3, 5]))
    assert np.array_equal(one, np.concatenate([old[[3, 5]], again_old[[3, 5]]]))
    assert np.array_equal(two, np.concatenate([new[[3, 5]], again_new[[3, 5]]]))
    assert sorted(np.concatenate(list(both.folds()))) == list(range(600))


def test_aim_spreads_the_directions_of_the_new_space() -> None:
    random = np.random.default_rng(0)
    new = random.normal(size=(500, 3)) * [3, 1, 1] + [0, 0, 2]
    single = new.astype(np.float32)
    aim = Aim.at(single, single, Features(3))
    spread = np.var((new - new.mean(0)) @ aim.spread, axis=0)
    floor = 0.1 * (9 + 1 + 1) / 3  # directions under it are held back
    assert spread[0] / spread[1] == pytest.approx(9 / (9 + floor) * (1 + floor), rel=0.1)


@pytest.mark.parametrize("kind", ["ridge", "kernel"])
def test_nobody_in_particular_is_mapped_to_nobody(kind: str) -> None:
    """However far from the middle the pictures of the fit were."""
    shift = np.zeros((2, 48), np.float32)
    shift[:, 0] = 0.4
    old, new = strangers(1200)
    one_sided = Pairs([unit(old + shift[0])], [unit(new + shift[1, :40])])
    bridge = fitted_bridge(OLD, NEW, one_sided, kind=kind).bridge
    assert np.linalg.norm(one_sided.new[0].mean(0)) > 0.3
    everywhere = unit(np.random.default_rng(8).normal(size=(20_000, 48)))
    answers = bridge.unscaled(everywhere)
    assert np.linalg.norm(answers.mean(0)) < 0.02 * np.linalg.norm(answers, axis=1).mean()


def test_a_zero_point_costs_little_of_what_a_bridge_keeps(pairs: Pairs) -> None:
    """Middle is mapped to middle where templates lie in one direction."""
    far = Pairs([with_zero_point(pairs.old[0])], [with_zero_point(pairs.new[0])])
    old, new = strangers(1000, seed=902)
    found = []
    for given, seen in ((pairs, unit), (far, with_zero_point)):
        bridge = fitted_bridge(OLD, NEW, given, kind="ridge").bridge
        found.append(((bridge.apply(seen(old)) @ seen(new).T).argmax(1) == np.arange(1000)).mean())
    assert found[1] > found[0] - 0.02 > 0.9


def test_all_pictures_of_a_face_are_left_out_together(pairs: Pairs) -> None:
    """Else the map that judges a picture has seen its face."""
    random = np.random.default_rng(1)
    sides = []
    for rows in (pairs.old[0][:100], pairs.new[0][:100]):
        many = np.repeat(rows, 6, axis=0)
        sides.append([unit(many + 0.03 * random.normal(size=many.shape))])
    few = Pairs(sides[0], sides[1])
    assert np.array_equal(few.faces, np.repeat(np.arange(0, 600, 6), 6))
    folds = list(few.folds())
    assert sorted(np.concatenate(folds)) == list(range(600))
    assert [len(fold) for fold in folds] == [120] * 5
    assert not any(set(one // 6) & set(two // 6) for one, two in pairwise(folds))
    old, new = strangers(1000, seed=903)
    fitted = fitted_bridge(OLD, NEW, few)
    true = cosine(fitted.bridge.apply(old), new)
    assert true - 0.1 < cosine(fitted.held_out, fitted.native) < true + 0.01
    with pytest.raises(EmbedgeError, match="about 30 faces"):
        list(Pairs([sides[0][0][:180]], [sides[1][0][:180]]).folds())


def test_an_attacker_learns_from_few_pairs_and_a_rotation_does_not_stop_him(pairs: Pairs) -> None:
    curve = attacker_curve(pairs, 48)
    assert [known.pairs for known in curve] == [100, 300, 1000]
    assert curve[-1].rank1 > 0.9 > 20 * 1e-3
    turned = Pairs([(pairs.old[0] @ rotation(48, 1).T).astype(np.float32)], pairs.new)
    for plain, rotated in zip(curve, attacker_curve(turned, 48)):
        assert rotated.rank1 == pytest.approx(plain.rank1, abs=0.004)


def test_people_are_found_across_the_bridge(pairs: Pairs) -> None:
    bridge = fitted_bridge(OLD, NEW, pairs).bridge
    old, new, labels = people(60)
    scores = bridge.apply(old) @ new.T
    same = labels[:, None] == labels
    np.fill_diagonal(scores, -1)
    assert same[np.arange(len(labels)), scores.argmax(1)].mean() > 0.9
