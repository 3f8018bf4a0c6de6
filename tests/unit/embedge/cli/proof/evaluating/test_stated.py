import argparse
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from tiny_bundles import face_like, tiny_contract, tiny_onnx

from embedge.calibration.protocols.folders import people_in_folders
from embedge.calibration.trials.pairwise import FolderTrial
from embedge.cli.proof import evaluate
from embedge.cli.proof.evaluating.models import opened
from embedge.cli.proof.evaluating.stated import taken_models
from embedge.errors import EmbedgeError
from embedge.files import sha256_file

CONTRACT = tiny_contract(64, mean=127.5, std=127.5)
FED = ("--mean", "127.5", "--std", "127.5", "--colour", "RGB")


def asked(model: Path, *arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    evaluate.configure(parser)
    return parser.parse_args(["--models", str(model), "--all-pairs", *arguments])


@pytest.fixture
def trial(tmp_path: Path) -> FolderTrial:
    """Four people; the first picture of the second of them cannot be read."""
    generator = np.random.default_rng(0)
    for person in range(4):
        home = tmp_path / "faces" / f"p{person}"
        home.mkdir(parents=True)
        for number in range(4):
            noise = generator.integers(-20, 20, (112, 112, 3))
            picture = np.clip(face_like(person).astype(int) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(picture).save(home / f"{number}.png")
    (tmp_path / "faces" / "p1" / "0.png").write_bytes(b"no picture")
    return FolderTrial(*people_in_folders(tmp_path / "faces", at_least=2))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A foreign network of channels-last pictures; its twin with a contract is `known`."""
    model = onnx.load_model_from_string(tiny_onnx(CONTRACT))
    onnx.save(model, tmp_path / "known.onnx")
    del model.metadata_props[:]
    (door,) = model.graph.input
    del model.graph.input[:]
    size = [None, CONTRACT.size, CONTRACT.size, 3]
    model.graph.input.append(helper.make_tensor_value_info("nhwc", TensorProto.FLOAT, size))
    turned = helper.make_node("Transpose", ["nhwc"], [door.name], perm=[0, 3, 1, 2])
    model.graph.node.insert(0, turned)
    onnx.save(model, tmp_path / "foreign.onnx")
    return tmp_path / "foreign.onnx"


def test_a_network_of_another_form_answers_as_its_twin_with_a_contract(
    model: Path, trial: FolderTrial
) -> None:
    options = asked(model, *FED, "--layout", "NHWC", "--space", "shared")
    taken = taken_models(options, trial.faces, trial.subjects)
    faces = np.stack([face_like(seed) for seed in range(6)])
    found = opened(str(model), options, taken[str(model)])
    known = opened(str(model.with_name("known.onnx")), options)
    with found.encoder as ours, known.encoder as expected:
        np.testing.assert_allclose(ours.features(faces), expected.features(faces), rtol=1e-4)
        assert ours.contract.space == "shared"
    assert "stated" in found.contract_from
    assert "these faces cannot tell it from" in found.contract_from  # four people
    assert found.digest == sha256_file(model)
    assert found.digest != known.digest


def test_of_two_outputs_the_embedding_is_named(model: Path, trial: FolderTrial) -> None:
    two = onnx.load(model)
    end = helper.make_tensor_value_info("flat", TensorProto.FLOAT, [None, 392])
    two.graph.output.append(end)
    onnx.save(two, model)
    with pytest.raises(EmbedgeError, match=r"E-OUTPUT.*of evaluate --embedding NAME"):
        taken_models(asked(model, *FED), trial.faces, trial.subjects)
    taken = taken_models(asked(model, *FED, "--embedding", "flat"), trial.faces, trial.subjects)
    assert taken[str(model)].contract.dim == 392


def test_a_part_that_nobody_states_is_asked_for(model: Path, trial: FolderTrial) -> None:
    options = asked(model, "--mean", "127.5")
    for told in (options, asked(model)):
        with pytest.raises(EmbedgeError, match="E-FEEDING-UNSTATED"):
            taken_models(told, trial.faces, trial.subjects)


def test_nothing_is_stated_of_what_states_itself(model: Path, trial: FolderTrial) -> None:
    known = model.with_name("known.onnx")
    assert taken_models(asked(known, "--range", "0-1"), trial.faces, trial.subjects) == {}
    options = asked(known, *FED)
    with pytest.raises(EmbedgeError, match="E-FEEDING: every model given states how it is fed"):
        taken_models(options, trial.faces, trial.subjects)
    options.models.append(str(model))
    options.layout = "NHWC"
    assert list(taken_models(options, trial.faces, trial.subjects)) == [str(model)]


def test_faces_that_nobody_can_read_confirm_nothing(model: Path, trial: FolderTrial) -> None:
    for name in trial.faces.names:
        (trial.faces.root / name).write_bytes(b"no picture")
    with pytest.raises(EmbedgeError, match="no picture can be read"):
        taken_models(asked(model, *FED), trial.faces, trial.subjects)
