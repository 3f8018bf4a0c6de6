"""The models that are evaluated: how they are opened, told apart and fed."""

import argparse
from dataclasses import replace

from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.subjects import EvaluatedModel, TakenModel, opened_model
from embedge.cli.proof.evaluating.stated import states_nothing
from embedge.errors import EmbedgeError
from embedge.runtime.contract import Flip

__all__ = ["flip_of", "opened", "require_one_space", "told_apart"]


def flip_of(options: argparse.Namespace) -> Flip | None:
    """The published protocols add the embedding of the mirrored picture."""
    published = options.bin is not None or options.ijb is not None
    asked: Flip | None = options.flip
    return asked or ("sum" if published else None)


def require_one_space(options: argparse.Namespace) -> None:
    """Told before anything is embedded: what cannot be compared needs no embeddings.

    What a foreign file speaks is known once faces have confirmed how it is fed; judging tells it.
    """
    if not options.matrix:
        return
    spaces = {}
    for path in options.models:
        if states_nothing(path):
            continue
        with opened(path, options).encoder as encoder:
            spaces[path] = (encoder.contract.space, encoder.contract.dim)
    first = next(iter(spaces), None)
    for other in spaces:
        if spaces[other] != spaces[first]:
            (one, dim), (two, other_dim) = spaces[first], spaces[other]
            raise EmbedgeError(
                "E-SPACE",
                f"--matrix compares models of one space, and {first} is of {one[:12]} ({dim}-d),"
                f" {other} of {two[:12]} ({other_dim}-d)",
                remedy="Leave --matrix out, or name with --space NAME the space that foreign ONNX"
                " files share",
            )


def told_apart(model: EvaluatedModel, taken: dict[Side, str], path: str) -> Side:
    """Two files of one name are named by their bytes too, and one that is called like the data."""
    side, digest = model.side, model.digest[:8]
    alike = side in taken or str(side) == "the data"
    named = replace(side, model=f"{side.model}@{digest}") if alike else side
    if named in taken or taken.get(side) == model.digest:
        raise EmbedgeError(
            "E-EVALUATE-OPTIONS",
            f"{path} is given more than once",
            remedy="Give every model once",
        )
    return named


def opened(
    path: str, options: argparse.Namespace, taken: TakenModel | None = None
) -> EvaluatedModel:
    return opened_model(
        path,
        space=options.space,
        flip=flip_of(options),
        threads=options.threads,
        require_provider=options.require_provider,
        runtime=options.runtime,
        taken=taken,
    )
