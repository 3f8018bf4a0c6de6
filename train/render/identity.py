"""Who somebody is: every parameter that stays the same in all pictures of one person.

Lengths are in units of the mean distance between the pupils (about 63 mm). x points to the right
of the picture, y down, z to the camera; the origin is the centre of the head at eye height.
"""

from dataclasses import dataclass

from embedge.train.render.randomness import Draw

__all__ = ["Brows", "Eyes", "Hair", "Identity", "Mouth", "Nose", "Skin", "Skull", "identity"]

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Skull:
    """The large shape. Axes are half-lengths of the head's ellipsoid, the rest displacements."""

    width: float
    height: float
    depth: float
    jaw_taper: float
    jaw_corner: float
    chin: float
    chin_width: float
    chin_y: float
    cleft: float
    cheekbone: float
    cheekbone_y: float
    cheek: float
    brow_ridge: float
    socket: float
    forehead: float
    temple: float
    ear: float
    ear_y: float


@dataclass(frozen=True, slots=True)
class Nose:
    length: float
    bridge: float
    bridge_width: float
    hump: float
    tip: float
    tip_width: float
    wings: float
    wing_width: float
    nostril: float
    skew: float


@dataclass(frozen=True, slots=True)
class Eyes:
    distance: float
    width: float
    opening: float
    lower: float
    tilt: float
    iris: float
    colour: Colour
    crease: float
    lashes: float
    bags: float
    hood: float


@dataclass(frozen=True, slots=True)
class Brows:
    height: float
    thickness: float
    arch: float
    tilt: float
    length: float
    gap: float
    strength: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Mouth:
    y: float
    width: float
    upper: float
    lower: float
    bow: float
    droop: float
    protrusion: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Skin:
    colour: Colour
    blush: float
    mottle: float
    freckles: float
    age: float
    gloss: float
    marks: tuple[tuple[float, float, float, float], ...]  # x, y, radius, darkness
    stain: tuple[float, float, float, float] | None
    beard: float
    moustache: float
    goatee: float
    beard_edge: float
    texture: tuple[float, float]  # where in the noise this person's skin lies


@dataclass(frozen=True, slots=True)
class Hair:
    colour: Colour
    hairline: float
    recession: float
    peak: float
    slant: float
    part: float
    side: float
    length: float
    volume: float
    contrast: float
    curl: float
    grey: float
    amount: float
    texture: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Identity:
    skull: Skull
    nose: Nose
    eyes: Eyes
    brows: Brows
    mouth: Mouth
    skin: Skin
    hair: Hair


def identity(seed: int, number: int) -> Identity:
    """The person with this number."""
    draw = Draw(seed, "identity", number)
    melanin = draw.between(0.0, 1.0) ** 1.2
    shade = _hair_colour(draw, melanin)
    skin = _skin(draw, melanin)
    return Identity(
        skull=_skull(draw),
        nose=_nose(draw),
        eyes=_eyes(draw, melanin),
        brows=_brows(draw, shade),
        mouth=_mouth(draw, skin.colour),
        skin=skin,
        hair=_hair(draw, shade),
    )


def _skull(draw: Draw) -> Skull:
    return Skull(
        width=draw.normal(1.2, 0.075),
        height=draw.normal(2.3, 0.08),
        depth=draw.normal(1.5, 0.08),
        jaw_taper=draw.normal(0.2, 0.075),
        jaw_corner=draw.normal(0.03, 0.035),
        chin=draw.normal(0.1, 0.045),
        chin_width=draw.normal(0.17, 0.04),
        chin_y=draw.normal(0.7, 0.025),
        cleft=max(0.0, draw.normal(-0.01, 0.02)),
        cheekbone=draw.normal(0.05, 0.03),
        cheekbone_y=draw.normal(0.5, 0.08),
        cheek=draw.normal(0.0, 0.04),
        brow_ridge=draw.normal(0.03, 0.02),
        socket=draw.normal(0.06, 0.02),
        forehead=draw.normal(0.0, 0.04),
        temple=draw.normal(0.03, 0.025),
        ear=draw.normal(0.16, 0.05),
        ear_y=draw.normal(0.09, 0.03),
    )


def _nose(draw: Draw) -> Nose:
    return Nose(
        length=draw.normal(0.52, 0.065),
        bridge=draw.normal(0.07, 0.028),
        bridge_width=draw.normal(0.1, 0.022),
        hump=draw.normal(0.012, 0.022),
        tip=draw.normal(0.11, 0.032),
        tip_width=draw.normal(0.125, 0.03),
        wings=draw.normal(0.075, 0.022),
        wing_width=draw.normal(0.185, 0.035),
        nostril=draw.normal(0.055, 0.014),
        skew=draw.normal(0.0, 0.014),
    )


def _eyes(draw: Draw, melanin: float) -> Eyes:
    light = 0.55 * (1.0 - melanin) ** 1.5
    family = draw.pick((1.0 - light, 0.5 * light, 0.25 * light, 0.25 * light))
    base = ((0.16, 0.08, 0.04), (0.22, 0.42, 0.66), (0.26, 0.42, 0.22), (0.45, 0.48, 0.5))[family]
    tone = draw.between(0.55, 1.5)
    red, green, blue = (min(1.0, channel * tone) for channel in base)
    return Eyes(
        distance=draw.normal(1.0, 0.065),
        width=draw.normal(0.24, 0.03),
        opening=draw.normal(0.105, 0.024),
        lower=draw.normal(0.06, 0.014),
        tilt=draw.normal(0.03, 0.1),
        iris=draw.normal(0.093, 0.009),
        colour=(red, green, blue),
        crease=draw.between(0.0, 1.0),
        lashes=draw.between(0.2, 1.0),
        bags=max(0.0, draw.normal(0.1, 0.16)),
        hood=draw.normal(0.0, 0.03),
    )


def _brows(draw: Draw, shade: Colour) -> Brows:
    tone = draw.between(0.45, 1.0)
    red, green, blue = (channel * tone for channel in shade)
    return Brows(
        height=draw.normal(0.3, 0.055),
        thickness=max(0.022, draw.normal(0.055, 0.02)),
        arch=draw.normal(0.06, 0.045),
        tilt=draw.normal(0.03, 0.11),
        length=draw.normal(0.3, 0.045),
        gap=draw.normal(0.0, 0.045),
        strength=draw.between(0.35, 1.0),
        colour=(red, green, blue),
    )


def _mouth(draw: Draw, skin: Colour) -> Mouth:
    red, green, blue = skin
    depth = draw.between(0.45, 0.95)
    return Mouth(
        y=draw.normal(1.07, 0.07),
        width=draw.normal(0.4, 0.052),
        upper=max(0.025, draw.normal(0.075, 0.028)),
        lower=max(0.035, draw.normal(0.105, 0.033)),
        bow=draw.normal(0.35, 0.25),
        droop=draw.normal(0.0, 0.03),
        protrusion=draw.normal(0.04, 0.02),
        colour=(
            red * (0.65 + 0.35 * depth),
            green * depth * 0.8,
            blue * depth * draw.between(0.75, 1.05),
        ),
    )


def _skin(draw: Draw, melanin: float) -> Skin:
    warm = draw.normal(0.0, 0.05)
    colour = (
        0.80 - 0.58 * melanin + 0.5 * warm,
        0.56 - 0.45 * melanin,
        0.42 - 0.36 * melanin - warm * (1 - melanin),
    )
    red, green, blue = (max(0.02, channel) for channel in colour)
    style = draw.pick((0.62, 0.12, 0.1, 0.16))
    return Skin(
        colour=(red, green, blue),
        blush=max(0.0, draw.normal(0.1, 0.12)),
        mottle=draw.between(0.02, 0.16),
        freckles=draw.between(0.25, 1.0) if draw.chance(0.22) else 0.0,
        age=max(0.0, draw.normal(0.25, 0.35)),
        gloss=draw.between(0.1, 0.5),
        marks=tuple(_mark(draw) for _ in range(draw.pick((0.2, 0.2, 0.2, 0.2, 0.1, 0.1)))),
        stain=_stain(draw) if draw.chance(0.12) else None,
        beard=draw.between(0.25, 0.9) if style in (1, 3) else 0.0,
        moustache=draw.between(0.3, 0.95) if style in (1, 2) else 0.0,
        goatee=draw.between(0.3, 0.95) if style in (1, 2) and draw.chance(0.6) else 0.0,
        beard_edge=draw.normal(0.78, 0.1),
        texture=(draw.between(0.0, 1.0), draw.between(0.0, 1.0)),
    )


def _mark(draw: Draw) -> tuple[float, float, float, float]:
    return (
        draw.between(-0.85, 0.85),
        draw.between(-0.7, 1.5),
        draw.between(0.022, 0.05),
        draw.between(0.45, 0.85),
    )


def _stain(draw: Draw) -> tuple[float, float, float, float]:
    return (
        draw.between(-0.9, 0.9),
        draw.between(-0.6, 1.4),
        draw.between(0.12, 0.28),
        draw.between(0.2, 0.45),
    )


def _hair_colour(draw: Draw, melanin: float) -> Colour:
    light = max(0.05, 1.0 - 1.3 * melanin)
    family = draw.pick((0.4, 0.35, 0.4 * light, 0.2 * light, 0.12))
    base = (
        (0.02, 0.016, 0.014),
        (0.09, 0.05, 0.025),
        (0.48, 0.33, 0.14),
        (0.36, 0.12, 0.04),
        (0.45, 0.45, 0.46),
    )[family]
    tone = draw.between(0.6, 1.6)
    red, green, blue = (channel * tone for channel in base)
    return red, green, blue


def _hair(draw: Draw, shade: Colour) -> Hair:
    style = draw.pick((0.1, 0.36, 0.27, 0.27))  # bald, short, medium, long
    fringe = draw.chance(0.22) and style > 0
    return Hair(
        colour=shade,
        hairline=draw.normal(-0.2, 0.03) if fringe else draw.normal(-0.4, 0.05),
        recession=max(0.0, draw.normal(0.08, 0.1)),
        peak=max(0.0, draw.normal(0.0, 0.06)),
        slant=draw.normal(0.0, 0.12),
        part=draw.normal(0.0, 0.35),
        side=draw.normal(0.76, 0.045),
        length=(-0.9, draw.normal(0.06, 0.05), draw.normal(0.4, 0.1), 1.3)[style],
        volume=(0.0, draw.between(0.03, 0.1), draw.between(0.06, 0.16), draw.between(0.06, 0.2))[
            style
        ],
        contrast=draw.between(0.12, 0.45),
        curl=draw.between(0.0, 1.0) ** 2,
        grey=draw.between(0.2, 0.8) if draw.chance(0.12) else 0.0,
        amount=draw.between(0.0, 0.3) if style == 0 else draw.between(0.9, 1.0),
        texture=(draw.between(0.0, 1.0), draw.between(0.0, 1.0)),
    )
