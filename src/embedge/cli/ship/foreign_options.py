"""What a user says of a foreign model, and the faces that confirm it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.numbers import DIVISOR, FINITE

if TYPE_CHECKING:
    from embedge.export.intake.feeding import ConfirmedFeeding, KnownFaces, Stated
    from embedge.export.intake.intake import Claims

__all__ = [
    "asked_of",
    "confirming_faces",
    "feeding_options",
    "feeding_text",
    "foreign_options",
    "stated_of",
]

# an equal error rate: aligned photos of LFW have 0.0 %, the same only made smaller 11.8 %
_MUCH_FOR_ALIGNED = 0.05
_EACH = 4
_WORLD, _HARDNESS = 58, 0.3  # nobody in it has taught or judged a network


def foreign_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a foreign model: how it is fed; there is no default")
    feeding_options(group)
    group.add_argument("--output", metavar="NAME", help="which of several outputs is the embedding")
    group.add_argument(
        "--weights", type=Path, metavar="DIR", help="the folder that external data may be read from"
    )


def feeding_options(group: argparse._ArgumentGroup) -> None:
    mean = "subtracted: one number, or one for each colour"
    group.add_argument("--mean", type=FINITE, nargs="+", metavar="X", help=mean)
    group.add_argument("--std", type=DIVISOR, nargs="+", metavar="X", help="then divided by")
    group.add_argument("--colour", choices=("RGB", "BGR"), help="the order of the colours")
    group.add_argument("--layout", choices=("NCHW", "NHWC"), help="checked against the input")
    group.add_argument(
        "--range",
        choices=("0-255", "0-1"),
        default="0-255",
        help="of a pixel, before mean and std",
    )


def asked_of(options: argparse.Namespace) -> "Claims":
    from embedge.export.intake.intake import Claims

    return Claims(stated_of(options), options.output, options.weights)


def stated_of(options: argparse.Namespace) -> "Stated":
    from embedge.errors import EmbedgeError
    from embedge.export.intake.feeding import Stated

    for flag in ("mean", "std"):
        values = getattr(options, flag)
        if values is not None and len(values) not in (1, 3):
            raise EmbedgeError(
                "E-FEEDING",
                f"--{flag} has {len(values)} numbers",
                remedy="Give one number, or one for each of the three colours",
            )
    mean, std = (None if v is None else tuple(v) for v in (options.mean, options.std))
    return Stated(mean, std, options.colour, options.layout, options.range)


def confirming_faces(root: Path, size: int) -> "KnownFaces":
    """Some pictures of people who have several; rendered people where no folder says who is who."""
    import numpy as np

    from embedge.errors import EmbedgeError
    from embedge.export.int8.calibration_set import (
        CONFIRMING,
        comparable,
        decoded_pictures,
        person_of,
        picture_files,
    )
    from embedge.export.intake.feeding import KnownFaces

    try:
        names = comparable(picture_files(root), CONFIRMING, each=_EACH)
    except EmbedgeError as error:
        if error.code != "E-CALIBRATION":
            raise
        return _rendered(size)
    return KnownFaces(decoded_pictures(root, names), np.array([person_of(name) for name in names]))


def _rendered(size: int) -> "KnownFaces":
    import numpy as np

    from embedge.export.int8.calibration_set import CONFIRMING
    from embedge.export.intake.feeding import KnownFaces
    from embedge.train.render import FaceRenderer

    people, pictures = np.divmod(np.arange(CONFIRMING), _EACH)
    images = FaceRenderer(_WORLD, hardness=_HARDNESS).render(people, pictures).images
    at = np.arange(size) * images.shape[1] // size
    return KnownFaces(np.ascontiguousarray(images[:, at][:, :, at]), people, rendered=True)


def _doubt(rate: float) -> str:
    """Pictures of the right size need not be aligned; none of them says so, the rate does."""
    if rate <= _MUCH_FOR_ALIGNED:
        return ""
    return "; that is much: if these are photos, first embedge data align PHOTOS FACES"


def feeding_text(feeding: "ConfirmedFeeding") -> str:
    """One line: how it is fed, who says so, whether faces agree."""
    line = f"fed {feeding.name} ({feeding.source})"
    if feeding.source == "the model's own metadata":
        return line
    if feeding.name not in feeding.rates:
        return f"{line}; no two people have two pictures each, so no face confirms it"
    rate = feeding.rates[feeding.name]
    told = f", confirmed on {feeding.whom}: "
    if feeding.untold:
        told = f"; these {feeding.whom} cannot tell it from {', '.join(feeding.untold)}; "
    doubt = "" if feeding.whom == "rendered faces" else _doubt(rate)
    return f"{line}{told}equal error rate {rate:.1%}{doubt}"
