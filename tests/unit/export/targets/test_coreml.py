"""A CoreML package holds the network: its program, read from the file, gives the same numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_face import small_face, smooth_pictures
from torch import nn

from embedge.errors import EmbedgeError
from embedge.export.targets import Converted
from embedge.runtime.contract import EmbeddingContract, tensor_from_crops
from embedge.runtime.encoders.ort import METADATA_KEY

pytest.importorskip("coremltools", reason="pip install 'embedge[coreml]'")

import coremltools

from embedge.export.targets.coreml import coreml_answers, coreml_from_network

CONTRACT = EmbeddingContract("s", "m", 16)
TENSOR = tensor_from_crops(smooth_pictures(3), CONTRACT)


def written(made: Converted, folder: Path) -> Path:
    for name, data in made.files.items():
        path = folder / f"net{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / "net.mlpackage"


@pytest.mark.parametrize("activation", ["prelu", "relu6"])
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
def test_its_program_gives_the_networks_numbers(
    tmp_path: Path, activation: str, half: bool
) -> None:
    network = small_face(activation)
    package = written(coreml_from_network(network, CONTRACT, half=half), tmp_path)
    with torch.no_grad():
        expected = network(torch.from_numpy(TENSOR)).numpy()
    far = np.abs(coreml_answers(package, TENSOR) - expected).max() / np.abs(expected).max()
    assert far < (5e-3 if half else 1e-5)
    assert far > 1e-5 or not half  # 16 bits were written


def test_doors_and_contract_stand_in_the_package(tmp_path: Path) -> None:
    made = coreml_from_network(small_face("relu"), CONTRACT, half=True)
    assert made.tools["coremltools"]
    said = coremltools.utils.load_spec(str(written(made, tmp_path))).description
    (source,), (result,) = said.input, said.output
    assert (source.name, list(source.type.multiArrayType.shape)) == ("image", [1, 3, 112, 112])
    assert (result.name, list(result.type.multiArrayType.shape)) == ("embedding", [1, 16])
    assert source.type.multiArrayType.dataType == result.type.multiArrayType.dataType == 65568
    told = json.loads(said.metadata.userDefined[METADATA_KEY])
    assert told == json.loads(json.dumps(CONTRACT.to_json()))


def test_weights_that_were_changed_are_noticed(tmp_path: Path) -> None:
    network = small_face("relu")
    package = written(coreml_from_network(network, CONTRACT, half=False), tmp_path)
    expected = coreml_answers(package, TENSOR)
    weights = package / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    weights.write_bytes(data)
    assert np.abs(coreml_answers(package, TENSOR) - expected).max() > 1e-4


def test_an_operator_that_cannot_be_checked_is_named(tmp_path: Path) -> None:
    class Odd(nn.Conv2d):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.erf(super().forward(image)).mean((2, 3))

    contract = EmbeddingContract("s", "m", 16)
    package = written(coreml_from_network(Odd(3, 16, 3).eval(), contract, half=False), tmp_path)
    with pytest.raises(EmbedgeError, match=r"E-TARGET.*erf"):
        coreml_answers(package, TENSOR)
