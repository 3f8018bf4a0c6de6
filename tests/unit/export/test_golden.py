from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from tiny_bundles import face_like, tiny_contract, tiny_onnx

from embedge.export.golden import golden_from_graphs, golden_with, tilted
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.selftest.golden import Golden
from embedge.runtime.selftest.selftest import self_test

FACES = np.stack([face_like(seed) for seed in range(3)])


def written(folder: Path, name: str, **changes: object) -> Path:
    path = folder / f"{name}.onnx"
    path.write_bytes(tiny_onnx(tiny_contract(512, **changes)))
    return path


def test_the_answers_are_those_of_the_encoder(tmp_path: Path) -> None:
    contract = tiny_contract(512, colour="BGR", mean=(1.0, 2.0, 3.0), std=60.0, flip="sum")
    path = written(tmp_path, "fp32", colour="BGR", mean=(1.0, 2.0, 3.0), std=60.0, flip="sum")
    golden = Golden.parsed(golden_from_graphs({"fp32": path}, contract, FACES))
    expected = golden.of("fp32")
    with OrtEncoder(path, contract) as encoder:
        np.testing.assert_allclose(encoder.embed(FACES), expected.crops, atol=1e-5)
        pairs = zip(golden.faces, golden.landmarks)
        crops = [aligned_crop(*pair, contract.template, 112) for pair in pairs]
        np.testing.assert_allclose(encoder.embed(crops), expected.pictures, atol=1e-5)
    swapped = replace(contract, colour="RGB")
    with OrtEncoder(path, swapped) as encoder:
        np.testing.assert_allclose(
            encoder.embed(FACES), expected.faults["colour-order"], atol=1 / 127
        )


class Leaning(OrtEncoder):
    """As integers err: by more, and elsewhere, the more red a picture has than blue."""

    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = super()._run(tensor)
        lean = np.asarray(np.random.default_rng(1).normal(size=rows.shape[1]), np.float32)
        lean *= np.linalg.norm(rows, axis=1).mean() / np.linalg.norm(lean)
        redder = (tensor[:, 0] - tensor[:, 2]).mean(axis=(1, 2))
        return rows + 4 * np.tanh(8 * redder)[:, None] * lean


def test_an_artifact_keeps_its_own_answer_to_a_fault_where_floats_would_not_name_it(
    tmp_path: Path,
) -> None:
    contract, path = tiny_contract(512), written(tmp_path, "fp32")
    reddish = FACES.copy()
    reddish[..., 0] = np.minimum(reddish[..., 0].astype(int) + 40, 255)
    golden = Golden.parsed(golden_from_graphs({"fp32": path}, contract, reddish))
    with Leaning(path, contract) as odd:
        known = golden_with(golden, "int8-odd", "int8", odd)
        assert "colour-order" in known.artifacts["int8-odd"].faults
        known = Golden.parsed(known.to_bytes())
        own = known.artifacts["int8-odd"]
        bare = replace(known, artifacts={**known.artifacts, "int8-odd": replace(own, faults={})})

        def swapped(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
            return odd.embed(np.ascontiguousarray(crops[..., ::-1]))

        told, otherwise = (self_test(swapped, one, "int8-odd").findings for one in (known, bare))
        assert [finding.fault for finding in told] == ["colour-order"]
        assert [finding.fault for finding in otherwise] != ["colour-order"]
        assert self_test(odd.embed, known, "int8-odd").passed


def test_where_floats_answers_name_every_fault_none_is_kept(tmp_path: Path) -> None:
    contract, path = tiny_contract(512), written(tmp_path, "fp32")
    golden = Golden.parsed(golden_from_graphs({"fp32": path}, contract, FACES))
    with OrtEncoder(path, contract) as encoder:
        same = golden_with(golden, "fp32-other", "fp32", encoder)
    # this network answers 0 to 255 as it answers 0 to 1
    assert same.artifacts["fp32-other"].faults.keys() <= {"missing-normalisation"}
    assert same.of("fp32-other").faults.keys() == golden.of("fp32").faults.keys()


def test_faults_of_the_range_have_whole_grey_levels(tmp_path: Path) -> None:
    """No picture has others, and INT8 answers halves of them otherwise."""
    contract, path = tiny_contract(512), written(tmp_path, "fp32")
    golden = Golden.parsed(golden_from_graphs({"fp32": path}, contract, FACES))
    narrow = np.rint(FACES * (219 / 255) + 16).astype(np.uint8)
    with OrtEncoder(path, contract) as encoder:
        ill = golden.of("fp32").faults["colour-range:16 to 235"]
        np.testing.assert_allclose(encoder.embed(narrow), ill, atol=1 / 127 * np.abs(ill).max())


def test_landmarks_lie_beside_the_template() -> None:
    template = tiny_contract().template
    for row in range(3):
        away = np.abs(tilted(template, row) - template).max()
        assert 3 < away < 20


def test_larger_crops_do_not_make_a_larger_file(tmp_path: Path) -> None:
    graph = written(tmp_path, "fp32")
    model = onnx.load(graph)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 224
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 224
    matrix = next(one for one in model.graph.initializer if one.name == "matrix")
    wide = np.random.default_rng(0).normal(size=(8 * 14 * 14, 512)).astype(np.float32)
    matrix.CopyFrom(numpy_helper.from_array(wide, "matrix"))
    onnx.save(model, graph)
    template = tuple((2 * x, 2 * y) for x, y in tiny_contract().template)
    contract = tiny_contract(512, size=224, template=template)
    golden = Golden.parsed(golden_from_graphs({"fp32": graph}, contract, FACES))
    assert golden.faces.shape == (3, 112, 112, 3)
    assert golden.landmarks.max() < 112
    assert golden.crops(224).shape == (3, 224, 224, 3)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_denormal_weights_have_a_fault_of_their_own(tmp_path: Path, kind: type) -> None:
    """Every second column is denormal in this kind of number; a large kernel makes up for it."""
    path = written(tmp_path, "fp32")
    assert "denormal-flush" not in _faults(path)
    model = onnx.load(path)
    tensors = {one.name: one for one in model.graph.initializer}
    values = numpy_helper.to_array(tensors["matrix"]).copy()
    tiny = float(np.finfo(kind).tiny)
    values = np.sign(values) * np.where(np.arange(512) % 2, 4 * tiny, tiny / 2)
    kernel = numpy_helper.to_array(tensors["kernel"]) * np.float32(min(1 / tiny, 1e30))
    tensors["kernel"].CopyFrom(numpy_helper.from_array(kernel, "kernel"))
    tensors["matrix"].CopyFrom(numpy_helper.from_array(values.astype(kind), "stored"))
    model.graph.node.insert(0, onnx.helper.make_node("Cast", ["stored"], ["matrix"], to=1))
    onnx.save(model, path)
    assert "denormal-flush" in _faults(path)


def _faults(path: Path) -> set[str]:
    golden = Golden.parsed(golden_from_graphs({"fp32": path}, tiny_contract(512), FACES))
    return set(golden.of("fp32").faults)
