"""Two really trained networks in every form that other people's exporters give them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from foreign_variants import NAMES, SCALED, variants

from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import EmbedgeError
from embedge.export.graph.running import embeddings_of
from embedge.export.int8.calibration_set import comparable, person_of, picture_files
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.intake.feeding import KnownFaces, Stated
from embedge.export.intake.intake import Claims, taken_in
from embedge.runtime.picture.images import rgb_from_picture

pytestmark = pytest.mark.real
# halves, unfolded batch norms and activations that it was not trained with cost a little
NEAR = {"HardSwish": 0.90, "LeakyRelu": 0.95, "Relu6": 0.90}


@pytest.fixture(scope="module")
def pictures(real: Path) -> np.ndarray:
    names = picture_files(real / "lfw-dev")
    picked = np.random.default_rng(4).permutation(len(names))[:28]
    return np.stack([rgb_from_picture(real / "lfw-dev" / names[i]) for i in picked])


@pytest.fixture(scope="module")
def faces(real: Path) -> KnownFaces:
    names = comparable(picture_files(real / "lfw-dev"), 64, each=4)
    images = np.stack([rgb_from_picture(real / "lfw-dev" / name) for name in names])
    return KnownFaces(images, np.array([person_of(name) for name in names]))


@pytest.mark.slow  # forty forms of two networks, minutes
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("network", ["w600k_mbf", "insightface_y1"])
def test_every_form_is_quantised_or_refused(
    real: Path, pictures: np.ndarray, tmp_path: Path, network: str, name: str
) -> None:
    variant = dict(variants(onnx.load(real / "models" / f"{network}.onnx")))[name]
    path, asked = variant.write(tmp_path), variant.asked
    if asked.weights is not None:
        asked = replace(asked, weights=tmp_path)
    if variant.refusal is not None:
        with pytest.raises(EmbedgeError, match=variant.refusal) as caught:
            taken_in(path, pictures, asked)
        print(f"{network} {name:28} {caught.value.code}")
        return
    taken, others = taken_in(path, pictures, asked), pictures[16:]
    qdq_from_onnx(taken.graph, pictures[:16], tmp_path / "q.onnx")
    found = cosines_of(variant.answers(others), embeddings_of(tmp_path / "q.onnx", others))
    print(f"{network} {name:28} mean {found.mean:.4f} lowest {found.min:.4f}")
    assert found.min > NEAR.get(name, 0.96)


def test_the_trap_is_caught_and_the_truth_is_found(
    real: Path, pictures: np.ndarray, faces: KnownFaces, tmp_path: Path
) -> None:
    """It normalises inside: fed otherwise, its INT8 twin agrees with it all the same."""
    model = onnx.load(real / "models" / "w600k_mbf.onnx")
    trap = dict(variants(model))["normalises inside"]
    path = trap.write(tmp_path)
    with pytest.raises(EmbedgeError, match=r"E-FEEDING: fed rgb-scaled.*State --mean 0 --std 1"):
        taken_in(path, pictures, Claims(SCALED), faces)
    for asked in (Claims(Stated(colour="RGB")), trap.asked):  # read in the file, or stated
        taken = taken_in(path, pictures, asked, faces)
        assert taken.feeding.name == "rgb-plain"
        assert taken.feeding.rates["rgb-plain"] < 0.02 < 0.2 < taken.feeding.rates["rgb-scaled"]
    qdq_from_onnx(taken.graph, pictures[:16], tmp_path / "q.onnx")
    found = cosines_of(
        trap.answers(pictures[16:]), embeddings_of(tmp_path / "q.onnx", pictures[16:])
    )
    assert found.min > 0.97


def test_a_foreign_network_is_never_fed_by_default(
    real: Path, pictures: np.ndarray, faces: KnownFaces
) -> None:
    with pytest.raises(EmbedgeError, match=r"E-FEEDING-UNSTATED.*rgb-scaled 0\.\d%.*--mean 127.5"):
        taken_in(real / "models" / "w600k_mbf.onnx", pictures, Claims(Stated()), faces)
