"""Identity and nuisance are drawn apart: pictures change, people do not."""

import dataclasses

import numpy as np

from embedge.train.render.identity import identity
from embedge.train.render.nuisance import MAX_PITCH, MAX_YAW, nuisance
from embedge.train.render.portrait import Portrait, Sitter
from embedge.train.render.randomness import Draw
from embedge.train.render.surface.noise import Noise


def numbers(value: object) -> list[float]:
    """Every number inside nested dataclasses and tuples."""
    if dataclasses.is_dataclass(value):
        return [x for f in dataclasses.fields(value) for x in numbers(getattr(value, f.name))]
    if isinstance(value, tuple):
        return [x for part in value for x in numbers(part)]
    return [] if value is None else [float(value)]  # type: ignore[arg-type]


def test_a_person_is_the_same_in_every_picture() -> None:
    people = {identity(0, 42) for _ in range(3)}
    assert len(people) == 1
    assert nuisance(0, 42, 0, 1.0) != nuisance(0, 42, 1, 1.0)


def test_geometry_is_the_same_in_every_picture_with_the_same_expression() -> None:
    noise = Noise(0)
    person = identity(0, 8)
    first, second = nuisance(0, 8, 0, 1.0), nuisance(0, 8, 1, 1.0)
    second = dataclasses.replace(second, expression=first.expression)
    sitter = Sitter.of(person)
    one, two = (Portrait.of(sitter, situation, noise) for situation in (first, second))
    assert np.array_equal(one.relief.height, two.relief.height)
    assert not np.array_equal(one.turn, two.turn)


def test_people_differ_in_many_independent_ways() -> None:
    """The parameters of 400 people have at least 40 principal components that count."""
    shapes = []
    for number in range(400):
        person = identity(0, number)
        plain = (person.skull, person.nose, person.eyes, person.brows, person.mouth)
        shapes.append([x for part in plain for x in numbers(part)])
    values = np.array(shapes)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(values.T))
    assert values.shape[1] >= 50
    assert (eigenvalues > 0.5).sum() >= 40


def test_yaw_covers_its_range_and_stays_inside() -> None:
    poses = [nuisance(0, number, 0, 1.0).pose for number in range(1500)]
    yaws = np.array([pose.yaw for pose in poses])
    assert yaws.max() == MAX_YAW == 40.0
    assert yaws.min() == -MAX_YAW
    assert 15 < yaws.std() < 22
    assert np.abs([pose.pitch for pose in poses]).max() <= MAX_PITCH


def test_hardness_nought_is_a_studio_portrait() -> None:
    for number in range(30):
        situation = nuisance(0, number, 0, 0.0)
        pose, occlusion = situation.pose, situation.occlusion
        assert pose.yaw == pose.pitch == pose.roll == 0
        assert occlusion.glasses is occlusion.mask is occlusion.cap is None
        assert occlusion.patches == ()
        assert not any(situation.camera.jitter)


def test_streams_do_not_collide() -> None:
    def first(*key: int) -> float:
        return Draw(1, "x", *key).between(0, 1)

    keys = [(0,), (-1,), (1,), (0, 0), (0, 1), (1, 0), (2**32,), (2**64,), (2**64, 1), (1, 2**32)]
    assert len({first(*key) for key in keys}) == len(keys)
    assert Draw(1, "x", 5).between(0, 1) != Draw(1, "y", 5).between(0, 1)
