"""ONNX detectors that always find the faces planted in them: every head, any shape."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = {3: (8, 16, 32), 5: (8, 16, 32, 64, 128)}


def constant_onnx(
    outputs: Mapping[str, np.ndarray],
    input_shape: Sequence[int | str] = (1, 3, 128, 128),
    declared: Mapping[str, Sequence[int | str]] | None = None,
) -> bytes:
    """A graph that answers any picture with `outputs`."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    tensors = [numpy_helper.from_array(np.array(0, np.float32), "zero")]
    infos = []
    for name, value in outputs.items():
        nodes.append(helper.make_node("Add", [f"c_{name}", "nothing"], [name]))
        tensors.append(numpy_helper.from_array(value.astype(np.float32), f"c_{name}"))
        shape = (declared or {}).get(name, value.shape)
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, input_shape)
    graph = helper.make_graph(nodes, "planted", [image], infos, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def scrfd_outputs(
    faces: Sequence[tuple[np.ndarray, np.ndarray, float]],
    side: int = 128,
    *,
    levels: int = 3,
    landmarks: bool = True,
    rank: int = 2,
) -> dict[str, np.ndarray]:
    """Each face (box, landmarks, score) is planted at the finest level, at its own cell."""
    anchors = 2 if levels == 3 else 1
    outputs: dict[str, np.ndarray] = {}
    for level, stride in enumerate(STRIDES[levels]):
        cells = (side // stride) ** 2 * anchors
        outputs[f"s{level}"] = np.zeros((cells, 1))
        outputs[f"b{level}"] = np.ones((cells, 4))
        if landmarks:
            outputs[f"k{level}"] = np.zeros((cells, 10))
    for box, points, score in faces:
        column, line = (np.asarray(box[:2]) // 8 + 1).astype(int)
        origin = np.array([column, line]) * 8
        row = (line * (side // 8) + column) * anchors
        outputs["s0"][row] = score
        outputs["b0"][row] = np.concatenate([origin - box[:2], box[2:] - origin]) / 8
        if landmarks:
            outputs["k0"][row] = ((points - origin) / 8).ravel()
    # grouped by kind, as the real files are, not by level
    ordered = {name: outputs[name] for kind in "sbk" for name in outputs if name[0] == kind}
    return {name: value[None] if rank == 3 else value for name, value in ordered.items()}


def yunet_outputs(
    faces: Sequence[tuple[np.ndarray, np.ndarray, float]], side: int = 128
) -> dict[str, np.ndarray]:
    outputs: dict[str, np.ndarray] = {}
    for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in STRIDES[3]:
            outputs[f"{kind}_{stride}"] = np.zeros((1, (side // stride) ** 2, width))
    for box, points, score in faces:
        column, line = (np.asarray(box[:2]) // 8).astype(int)
        origin = np.array([column, line]) * 8
        row = line * (side // 8) + column
        size = box[2:] - box[:2]
        middle = (box[:2] + box[2:]) / 2
        outputs["cls_8"][0, row] = outputs["obj_8"][0, row] = score
        outputs["bbox_8"][0, row] = np.concatenate([(middle - origin) / 8, np.log(size / 8)])
        outputs["kps_8"][0, row] = ((points - origin) / 8).ravel()
    return outputs


def retinaface_outputs(
    faces: Sequence[tuple[np.ndarray, np.ndarray, float]], side: int = 128, *, logits: bool = False
) -> dict[str, np.ndarray]:
    count = sum((side // stride) ** 2 * 2 for stride in STRIDES[3])
    box_rows, points_rows = np.zeros((1, count, 4)), np.zeros((1, count, 10))
    face_scores = np.full((1, count), 1e-3)
    for box, points, score in faces:
        column, line = (np.asarray(box[:2]) // 8).astype(int)
        centre = np.array([column, line]) * 8 + 4
        row = (line * (side // 8) + column) * 2  # the first of two priors, 16 pixels wide
        middle, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        box_rows[0, row] = np.concatenate([(middle - centre) / 1.6, np.log(size / 16) / 0.2])
        points_rows[0, row] = ((points - centre) / 1.6).ravel()
        face_scores[0, row] = score
    both = np.stack([1 - face_scores, face_scores], axis=-1)
    return {"loc": box_rows, "conf": np.log(both) if logits else both, "landms": points_rows}
