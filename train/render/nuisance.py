"""What changes from picture to picture: pose, light, expression, occlusion, camera, background."""

from dataclasses import dataclass

from embedge.train.render.randomness import Draw

__all__ = ["Backdrop", "Camera", "Expression", "Light", "Nuisance", "Occlusion", "Pose", "nuisance"]

Colour = tuple[float, float, float]

MAX_YAW = 40.0
MAX_PITCH = 20.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Degrees; the distance of the camera in pupil distances."""

    yaw: float
    pitch: float
    roll: float
    distance: float


@dataclass(frozen=True, slots=True)
class Light:
    direction: tuple[float, float, float]
    key: Colour
    fill: Colour
    ground: Colour
    exposure: float


@dataclass(frozen=True, slots=True)
class Expression:
    smile: float
    jaw: float
    brows: float
    lids: float
    gaze: tuple[float, float]
    lipstick: Colour | None


@dataclass(frozen=True, slots=True)
class Glasses:
    radius: float
    aspect: float
    thickness: float
    frame: Colour
    tint: float


@dataclass(frozen=True, slots=True)
class Patch:
    """Something between camera and face: centre, half-sizes, angle in the picture plane."""

    x: float
    y: float
    half_width: float
    half_height: float
    angle: float
    roundness: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Occlusion:
    glasses: Glasses | None
    mask: tuple[float, Colour] | None  # upper edge, colour
    cap: tuple[float, Colour] | None  # lower edge, colour
    patches: tuple[Patch, ...]


@dataclass(frozen=True, slots=True)
class Backdrop:
    colours: tuple[Colour, Colour, Colour]
    scale: float
    angle: float
    offset: tuple[float, float]
    stripes: float
    clothes: Colour


@dataclass(frozen=True, slots=True)
class Camera:
    """How the picture is spoilt: lost resolution, blur, noise, colour, compression."""

    resolution: float
    motion: float
    motion_angle: float
    noise: float
    saturation: float
    contrast: float
    balance: Colour
    quality: int
    jitter: tuple[float, ...]  # error of the five landmarks that the aligner would see


@dataclass(frozen=True, slots=True)
class Nuisance:
    pose: Pose
    light: Light
    expression: Expression
    occlusion: Occlusion
    backdrop: Backdrop
    camera: Camera
    grain: int  # seed of the pixel noise


def nuisance(seed: int, number: int, sample: int, hardness: float) -> Nuisance:
    """Everything that is not the person in this picture; hardness 0 is a studio portrait."""
    draw = Draw(seed, "nuisance", number, sample)
    return Nuisance(
        pose=_pose(draw, hardness),
        light=_light(draw, hardness),
        expression=_expression(draw, hardness),
        occlusion=_occlusion(draw, hardness),
        backdrop=_backdrop(draw),
        camera=_camera(draw, hardness),
        grain=int(draw.generator.integers(1 << 62)),
    )


def _bounded(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))


def _pose(draw: Draw, hardness: float) -> Pose:
    return Pose(
        yaw=_bounded(draw.normal(0.0, 19.0) * hardness, MAX_YAW),
        pitch=_bounded(draw.normal(0.0, 8.0) * hardness, MAX_PITCH),
        roll=draw.normal(0.0, 9.0) * hardness,
        distance=draw.between(7.0, 20.0),
    )


def _light(draw: Draw, hardness: float) -> Light:
    side = draw.normal(0.0, 0.65) * hardness
    above = draw.normal(-0.35, 0.4) * min(1.0, hardness)
    ahead = draw.between(0.35, 1.0)
    length = (side**2 + above**2 + ahead**2) ** 0.5
    strength = draw.between(0.45, 1.25)
    ambient = draw.between(0.15, 0.6) * (1.7 - strength)
    warmth = draw.normal(0.0, 0.16) * hardness
    other = draw.normal(0.0, 0.12) * hardness
    return Light(
        direction=(side / length, above / length, ahead / length),
        key=(strength * (1 + warmth), strength, strength * (1 - warmth)),
        fill=(ambient * (1 + other), ambient, ambient * (1 - other)),
        ground=draw.colour(0.1, 0.5),
        exposure=2.0 ** (draw.normal(0.0, 0.45) * hardness),
    )


def _expression(draw: Draw, hardness: float) -> Expression:
    smiling, speaking, blinking = draw.chance(0.45), draw.chance(0.3), draw.chance(0.07)
    smile, speech, lids = draw.between(0.2, 1.0), draw.between(0.1, 1.0), draw.normal(1.0, 0.16)
    painted, paint = draw.chance(0.08), draw.between(0.0, 1.0)
    return Expression(
        smile=hardness * (smile if smiling else draw.normal(0.0, 0.15)),
        jaw=hardness * speech if speaking else 0.0,
        brows=draw.normal(0.0, 0.035) * hardness,
        lids=0.12 if blinking and hardness > 0.5 else max(0.3, lids),
        gaze=(draw.normal(0.0, 0.035) * hardness, draw.normal(0.0, 0.012) * hardness),
        lipstick=(0.55, 0.04 + 0.1 * paint, 0.08 + 0.2 * paint) if painted else None,
    )


def _occlusion(draw: Draw, hardness: float) -> Occlusion:
    worn = [draw.chance(p * hardness) for p in (0.18, 0.05, 0.06, 0.14)]
    glasses, mask, cap, patch = worn
    return Occlusion(
        glasses=_glasses(draw) if glasses else None,
        mask=(draw.normal(0.55, 0.08), draw.colour(0.05, 0.9)) if mask else None,
        cap=(draw.normal(-0.36, 0.04), draw.colour(0.02, 0.7)) if cap else None,
        patches=(_patch(draw),) if patch else (),
    )


def _glasses(draw: Draw) -> Glasses:
    return Glasses(
        radius=draw.normal(0.34, 0.03),
        aspect=draw.between(0.6, 1.0),
        thickness=draw.between(0.015, 0.045),
        frame=draw.colour(0.0, 0.35),
        tint=draw.between(0.75, 0.95) if draw.chance(0.25) else draw.between(0.0, 0.2),
    )


def _patch(draw: Draw) -> Patch:
    side = -1.0 if draw.chance(0.5) else 1.0
    return Patch(
        x=side * draw.between(0.5, 1.3),
        y=draw.between(-0.9, 1.8),
        half_width=draw.between(0.15, 0.6),
        half_height=draw.between(0.3, 1.0),
        angle=draw.between(-1.2, 1.2),
        roundness=draw.between(0.1, 0.9),
        colour=draw.colour(0.02, 0.8) if draw.chance(0.5) else (0.5, 0.32, 0.22),
    )


def _backdrop(draw: Draw) -> Backdrop:
    return Backdrop(
        colours=(_wall(draw), _wall(draw), _wall(draw)),
        scale=draw.between(0.02, 0.12),
        angle=draw.between(0.0, 3.1416),
        offset=(draw.between(0.0, 1.0), draw.between(0.0, 1.0)),
        stripes=draw.between(0.5, 4.0) if draw.chance(0.35) else 0.0,
        clothes=draw.colour(0.01, 0.6),
    )


def _wall(draw: Draw) -> Colour:
    """A colour that a room might have: mostly muted, sometimes not."""
    vivid = draw.between(0.0, 1.0) ** 2
    grey = draw.between(0.05, 0.9)
    red, green, blue = (grey + vivid * (channel - grey) for channel in draw.colour())
    return red, green, blue


def _camera(draw: Draw, hardness: float) -> Camera:
    low, moved = draw.chance(0.35 * hardness), draw.chance(0.15 * hardness)
    return Camera(
        resolution=draw.between(0.3, 0.75) if low else 1.0,
        motion=draw.between(1.0, 4.5) if moved else 0.0,
        motion_angle=draw.between(0.0, 3.1416),
        noise=max(0.0, draw.normal(5.0, 4.0)) * hardness,
        saturation=0.0 if draw.chance(0.06 * hardness) else max(0.2, draw.normal(1.0, 0.2)),
        contrast=max(0.5, draw.normal(1.0, 0.15 * hardness)),
        balance=(1 + draw.normal(0, 0.05) * hardness, 1.0, 1 + draw.normal(0, 0.05) * hardness),
        quality=int(draw.between(95.0 - 65.0 * min(hardness, 1.2), 96.0)),
        jitter=tuple(draw.normal(0.0, 0.018) * hardness for _ in range(10)),
    )
