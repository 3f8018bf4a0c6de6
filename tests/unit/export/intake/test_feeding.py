"""What faces say of how a network is fed, and what they cannot say."""

from typing import Literal

import numpy as np
import onnx
import pytest

from embedge.cli.ship.foreign_options import feeding_text
from embedge.errors import EmbedgeError
from embedge.export.intake.feeding import ConfirmedFeeding, KnownFaces, Stated, feeding_of
from embedge.export.intake.original import Entrance
from embedge.runtime.encoders.preprocessing import FEEDINGS, Preprocessing

PEOPLE = 40
LABELS = np.repeat(np.arange(PEOPLE), 2)
FACES = KnownFaces(np.zeros((len(LABELS), 4, 4, 3), np.uint8), LABELS)
DOOR = Entrance("in", onnx.TensorProto.FLOAT, "NCHW", 4, None)
FAR = 9.0  # noise in which nobody is told apart
BGR = Stated((127.5,), (127.5,), "BGR")
RGB = Stated((127.5,), (127.5,), "RGB")


def fed(
    stated: Stated,
    noise: dict[str, float],
    faces: KnownFaces | None = FACES,
    model: onnx.ModelProto | None = None,
) -> ConfirmedFeeding:
    """A network whose pictures of one person are the nearer the less `noise` its feeding has."""

    def features(way: Preprocessing) -> np.ndarray:
        name = next(name for name, one in FEEDINGS.items() if one == way)
        rng = np.random.default_rng(1)
        assert faces is not None
        rows = rng.normal(size=(PEOPLE, 64))[faces.labels]
        error = rng.normal(size=rows.shape)
        if noise.get(name) == np.inf:
            return np.ones_like(rows, np.float32)
        return (rows + noise.get(name, FAR) * error).astype(np.float32)

    return feeding_of(stated, model or onnx.ModelProto(), DOOR, features, lambda _: None, faces)


def saying(**facts: str) -> onnx.ModelProto:
    model = onnx.ModelProto()
    onnx.helper.set_model_props(model, facts)
    return model


def test_a_feeding_that_all_others_are_worse_than_is_confirmed() -> None:
    found = fed(RGB, {"rgb-scaled": 0.3, "bgr-scaled": 0.4})
    assert found.rates["rgb-scaled"] == found.rates["bgr-scaled"] == 0
    assert feeding_text(found).startswith("fed rgb-scaled (stated), confirmed on faces: ")


def test_a_tie_confirms_nothing_and_is_told() -> None:
    found = fed(BGR, {"rgb-scaled": 0.3, "bgr-scaled": 0.3})
    assert feeding_text(found) == (
        "fed bgr-scaled (stated); these faces cannot tell it from rgb-scaled; equal error rate 0.0%"
    )
    with pytest.raises(EmbedgeError, match=r"E-FEEDING-UNSTATED.*cannot tell .* from bgr-scaled"):
        fed(Stated(), {"rgb-scaled": 0.3, "bgr-scaled": 0.3})
    with pytest.raises(EmbedgeError, match=r"--colour RGB is best"):
        fed(Stated(), {"rgb-scaled": 0.3, "bgr-scaled": 0.4})


def test_the_other_order_of_colours_is_refused_where_no_error_is_left_to_count() -> None:
    with pytest.raises(EmbedgeError, match=r"E-FEEDING: .*less far apart than fed rgb-scaled"):
        fed(BGR, {"rgb-scaled": 0.3, "bgr-scaled": 0.4})


def test_few_people_confirm_nothing() -> None:
    few = KnownFaces(FACES.images[:8], LABELS[:8])
    assert "bgr-scaled" in fed(RGB, {"rgb-scaled": 0.3, "bgr-scaled": 0.4}, few).untold


NUMBERS = Stated((127.5,), (127.5,))
TOLD, TIED = {"rgb-scaled": 0.4, "bgr-scaled": 0.3}, {"rgb-scaled": 0.3, "bgr-scaled": 0.3}


def test_a_colour_that_nothing_states_is_what_faces_are_certain_of_or_asked_for() -> None:
    found = fed(NUMBERS, TOLD)
    assert found.name == "bgr-scaled"
    assert found.source == "mean and std stated; colour confirmed on faces"
    for noise, faces in ((TIED, FACES), (TOLD, None)):
        with pytest.raises(EmbedgeError, match=r"E-FEEDING-UNSTATED.*--colour"):
            fed(NUMBERS, noise, faces)


def test_every_fact_says_where_it_was_read() -> None:
    model = saying(mean="127.5", std="127.5", color_space="RGB")
    noise = {"rgb-scaled": 0.3, "bgr-scaled": 0.4}
    assert fed(Stated(), noise, model=model).source == "written in the file"
    found = fed(Stated(mean=(127.5,)), noise, model=model)
    assert found.source == "mean stated; std and colour written in the file"


@pytest.mark.parametrize("span", ["0-255", "0-1"])
@pytest.mark.parametrize("numbers", ["0.5,0.5,0.5", "127.5"])
def test_numbers_of_the_file_are_in_its_own_units(
    numbers: str, span: Literal["0-255", "0-1"]
) -> None:
    """Whatever range the user's own numbers are in."""
    model = saying(mean=numbers, std=numbers, color_space="RGB")
    found = fed(Stated(span=span), {"rgb-scaled": 0.3, "bgr-scaled": 0.4}, model=model)
    assert found.way == FEEDINGS["rgb-scaled"]


@pytest.mark.parametrize("std", ["0", "-127.5", "1e999"])
def test_metadata_that_no_pixel_can_be_scaled_by_is_refused(std: str) -> None:
    with pytest.raises(EmbedgeError, match=r"E-FEEDING: the file's metadata says .* std"):
        fed(Stated(), {}, model=saying(mean="127.5", std=std, color_space="RGB"))


@pytest.mark.parametrize("noise", [np.inf, FAR])
def test_a_network_that_tells_nobody_apart_confirms_nothing(noise: float) -> None:
    every = dict.fromkeys(FEEDINGS, noise)
    with pytest.raises(EmbedgeError, match=r"E-FEEDING: .* does not tell people apart"):
        fed(RGB, every)
    with pytest.raises(EmbedgeError, match=r"UNSTATED.*these faces are not told apart"):
        fed(Stated(), every)
