import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_face as small_face_module
import torch
from numpy.typing import NDArray
from small_face import DIM, SmallFace, embed, small_face
from torch import nn

from embedge.errors import EmbedgeError
from embedge.export.graph.running import read_contract
from embedge.export.graph.surgery import Graph
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract


def test_the_file_is_one_whole_graph_with_its_contract(
    tmp_path: Path, net: SmallFace, contract: EmbeddingContract
) -> None:
    onnx_from_student(net, contract, tmp_path / "s.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["s.onnx"]
    graph = Graph.read(tmp_path / "s.onnx")
    assert read_contract(graph) == contract
    assert [i.name for i in graph.inputs] == ["image"]
    assert [o.name for o in graph.outputs] == ["embedding"]
    assert graph.opset == 17
    batch = graph.inputs[0].type.tensor_type.shape.dim[0]
    assert batch.dim_param == "batch"


def test_batch_norms_and_prelus_are_gone(student_file: Path) -> None:
    operators = {node.op_type for node in Graph.read(student_file).nodes}
    assert operators == {"Conv", "Relu", "Mul", "Add", "Flatten", "Gemm"}


@pytest.mark.parametrize("activation", ["prelu", "relu", "relu6"])
@pytest.mark.parametrize("lower", [True, False])
def test_every_batch_agrees_with_the_module(
    tmp_path: Path,
    contract: EmbeddingContract,
    pictures: NDArray[np.uint8],
    activation: str,
    lower: bool,
) -> None:
    net = small_face(activation, seed=3)
    onnx_from_student(net, contract, tmp_path / "s.onnx", lower=lower)
    tensor = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        expected = net(tensor).numpy()
    np.testing.assert_allclose(embed(tmp_path / "s.onnx", pictures), expected, atol=2e-5)


def test_opset_is_an_argument(tmp_path: Path, net: SmallFace, contract: EmbeddingContract) -> None:
    onnx_from_student(net, contract, tmp_path / "s.onnx", opset=15)
    assert onnx.load(tmp_path / "s.onnx").opset_import[0].version == 15


def test_export_prints_nothing_and_leaves_the_mode_alone(
    tmp_path: Path,
    net: SmallFace,
    contract: EmbeddingContract,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    net.train()
    onnx_from_student(net, contract, tmp_path / "s.onnx")
    assert net.training
    net.eval()
    assert capfd.readouterr() == ("", "")
    assert not [str(w.message) for w in recwarn]


def test_a_contract_of_another_dimension_is_refused(tmp_path: Path, net: SmallFace) -> None:
    wrong = EmbeddingContract(space="s", model="m", dim=DIM + 1)
    with pytest.raises(EmbedgeError, match="E-EXPORT"):
        onnx_from_student(net, wrong, tmp_path / "s.onnx")
    assert not list(tmp_path.iterdir())


def test_a_student_that_rolls_dice_is_refused(tmp_path: Path, contract: EmbeddingContract) -> None:
    class Dice(SmallFace):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return super().forward(image) + torch.rand(image.shape[0], DIM)

    with pytest.raises(EmbedgeError, match=r"E-EXPORT.*differs"):
        onnx_from_student(Dice().eval(), contract, tmp_path / "s.onnx")


def test_the_contract_is_readable_json(student_file: Path, contract: EmbeddingContract) -> None:
    meta = {p.key: p.value for p in onnx.load(student_file).metadata_props}
    assert json.loads(meta["embedge.contract"])["dim"] == contract.dim


def test_dropout_is_inert(
    tmp_path: Path, contract: EmbeddingContract, pictures: NDArray[np.uint8]
) -> None:
    net = nn.Sequential(small_face(), nn.Dropout(0.5)).eval()
    onnx_from_student(net, contract, tmp_path / "s.onnx")
    assert np.isfinite(embed(tmp_path / "s.onnx", pictures)).all()


WITHOUT_ONNXSCRIPT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"onnxscript"}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from small_face import DIM, small_face
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract

onnx_from_student(small_face(), EmbeddingContract("s", "m", DIM), Path(sys.argv[1]))
"""


def test_the_export_needs_no_onnxscript(student_file: Path, tmp_path: Path) -> None:
    support = Path(small_face_module.__file__).parent
    command = [sys.executable, "-c", WITHOUT_ONNXSCRIPT, str(tmp_path / "s.onnx"), str(support)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written, known = (onnx.load(path).graph for path in (tmp_path / "s.onnx", student_file))
    assert [node.op_type for node in written.node] == [node.op_type for node in known.node]
