"""Golden vectors of a bundle's graphs: their right answers, and those under every known fault."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import RowEncoder, tensor_from_crops, unit_rows
from embedge.runtime.encoders.sessions import ort_session
from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.picture.images import RgbImage
from embedge.runtime.selftest.asking import Answers
from embedge.runtime.selftest.diagnosis import symptoms_in
from embedge.runtime.selftest.golden import Expected, Golden, Rows

__all__ = ["golden_from_graphs", "golden_with", "tilted"]

Tensor = NDArray[np.float32]
Run = Callable[[Tensor], Rows]

_FLOORS = {"fp32": 1e-4, "fp16": 2e-3}
_FLOOR = 2e-2  # integers: other processors saturate and round elsewhere
_MARGIN = 2.0  # times what two ways through the same graph differ by here
_SURE = 0.45  # of the distance: a fault in the field is not quite the one that is asked
_SEEN = 1e-5  # a fault that moves answers by less cannot be told, and does no harm
_MOST_TAPS = 2
_STEP = 4  # pixels


def golden_from_graphs(
    graphs: Mapping[str, Path], contract: EmbeddingContract, faces: RgbImage
) -> bytes:
    """The golden file for these ONNX graphs by artifact name; `faces` are a few aligned crops."""
    landmarks = np.stack([tilted(contract.template, row) for row in range(len(faces))])
    golden = Golden(faces, landmarks * (faces.shape[1] / contract.size), {})
    asked = _asked(golden, contract)
    found: dict[str, Expected] = {}
    for name, path in graphs.items():
        # half precision errs as float does, so the first graph's faults are enough for both
        known = next(iter(found.values())).faults if found and name in _FLOORS else None
        found[name] = _expected(path.read_bytes(), name, contract, asked, known)
    return Golden(faces, golden.landmarks, found).to_bytes()


def golden_with(golden: Golden, name: str, precision: str, encoder: RowEncoder) -> Golden:
    """The golden vectors, and what an artifact made for another runtime answers to the same faces.

    What the faults of the first artifact move its rows by moves these too: its own answers to a
    fault are kept only where those would not lead to the fault's name, as integers' may not.
    """
    contract = encoder.contract
    crops, pictures = _asked(golden, contract)
    floor, right = _FLOORS.get(precision, _FLOOR), encoder.embed(crops)
    expected = Expected(1 - floor, right, encoder.embed(pictures), {})
    whole = replace(golden, artifacts={**golden.artifacts, name: expected})
    known, run = whole.of(name), _run_of(encoder.answers, contract)
    for ill, tensor in _ill_feeds(crops, contract):
        rows = run(tensor)
        told = [one.fault for one in symptoms_in(Answers(rows, (), (), None), known)]
        left = np.linalg.norm(rows - known.faults.get(ill, right))
        sure = told == [ill.partition(":")[0]] and left < _SURE * np.linalg.norm(rows - right)
        if not sure and _is_seen(rows, right):
            expected.faults[ill] = rows
    return whole


def _asked(golden: Golden, contract: EmbeddingContract) -> tuple[RgbImage, RgbImage]:
    """The faces as crops, and aligned as pictures by their landmarks."""
    pairs = zip(golden.faces, golden.landmarks)
    aligned = [aligned_crop(*pair, contract.template, contract.size) for pair in pairs]
    return golden.crops(contract.size), np.stack(aligned)


def tilted(template: Sequence[Sequence[float]], row: int) -> Rows:
    """Landmarks beside the template: turned, smaller and moved, so that aligning must do work."""
    points = np.asarray(template, np.float64)
    middle, angle = points.mean(axis=0), np.radians(6 + 3 * row) * (-1) ** row
    turn = 0.9 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray((points - middle) @ turn.T + middle + [3, -2], np.float32)


def _expected(
    model: bytes,
    name: str,
    contract: EmbeddingContract,
    asked: tuple[RgbImage, RgbImage],
    known: Mapping[str, Rows] | None,
) -> Expected:
    crops, pictures = asked
    run, feed = _runner(model, contract), tensor_from_crops(crops, contract)
    right = run(feed)
    floor = _FLOORS.get(name, _FLOOR)
    differs = 1 - _cosine(_runner(model, contract, plain=True)(feed), right)
    faults = dict(_ill_graphs(model, contract, feed, taps=known is None))
    if known is None:
        faults |= {ill: run(tensor) for ill, tensor in _ill_feeds(crops, contract)}
    return Expected(
        nearest=max(0.0, 1 - max(floor, _MARGIN * differs)),
        crops=right,
        pictures=run(tensor_from_crops(pictures, contract)),
        faults={ill: rows for ill, rows in faults.items() if _is_seen(rows, right)},
    )


def _is_seen(rows: Rows, right: Rows) -> bool:
    shaped = rows.shape == right.shape and bool(np.isfinite(rows).all())
    return shaped and 1 - _cosine(rows, right) > _SEEN


def _cosine(rows: Rows, right: Rows) -> float:
    return float((rows.astype(np.float64) * right).sum(axis=1).min())


def _ill_feeds(crops: RgbImage, contract: EmbeddingContract) -> Iterator[tuple[str, Tensor]]:
    """What the network is given under each fault of preprocessing."""
    mean, std = (
        np.asarray(value, np.float32).reshape(-1, 1, 1) for value in (contract.mean, contract.std)
    )
    feed = tensor_from_crops(crops, contract)
    pixels = feed * std + mean
    yield "colour-order", tensor_from_crops(crops[..., ::-1], contract)
    yield "double-normalisation", (feed - mean) / std
    yield "missing-normalisation", pixels
    yield "colour-range:0 to 1, not normalised", np.asarray(pixels / 255, np.float32)
    # in whole grey levels, as pictures have them: INT8 answers halves of them noticeably otherwise
    narrow, wide = np.rint(pixels * (219 / 255) + 16), np.rint((pixels - 16) * (255 / 219))
    yield "colour-range:16 to 235", np.asarray((narrow - mean) / std, np.float32)
    stretched = np.asarray(np.clip(wide, 0, 255), np.float32)
    yield "colour-range:stretched", (stretched - mean) / std
    yield "layout:rows of pixels read as planes", _planes_misread(feed)
    yield "layout:height and width swapped", np.ascontiguousarray(feed.swapaxes(2, 3))
    steps = (-_STEP, 0, _STEP)
    for across, down in product(steps, steps):
        if across or down:
            moved = tensor_from_crops(_moved(crops, across, down), contract)
            yield f"shift:{across:+d},{down:+d}", moved


def _planes_misread(feed: Tensor) -> Tensor:
    return np.ascontiguousarray(feed.transpose(0, 2, 3, 1)).reshape(feed.shape)


def _moved(crops: RgbImage, across: int, down: int) -> RgbImage:
    """The picture moved right and down, its edge repeated where nothing is known."""
    size = crops.shape[1]
    rows, columns = (np.clip(np.arange(size) - step, 0, size - 1) for step in (down, across))
    return np.ascontiguousarray(crops[:, rows][:, :, columns])


def _ill_graphs(
    model: bytes, contract: EmbeddingContract, feed: Tensor, *, taps: bool
) -> Iterator[tuple[str, Rows]]:
    """The same network with denormal weights lost, and what else in it could be read."""
    flushed = _flushed(onnx.load_from_string(model))
    if flushed is not None:
        yield "denormal-flush", _runner(flushed, contract)(feed)
    for place in _taps(onnx.load_from_string(model), contract.dim) if taps else ():
        tapped = onnx.load_from_string(model)
        del tapped.graph.output[:]
        tapped.graph.output.append(
            onnx.helper.make_tensor_value_info(place, onnx.TensorProto.FLOAT, None)
        )
        rows = _runner(tapped.SerializeToString(), contract)(feed)
        yield f"wrong-output:{place[-24:].encode('ascii', 'replace').decode()}", rows


def _flushed(model: onnx.ModelProto) -> bytes | None:
    """The model with every denormal number of its weights at zero; None where it has none."""
    touched = False
    for tensor in model.graph.initializer:
        if tensor.data_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            continue
        values = numpy_helper.to_array(tensor)
        lost = (np.abs(values) < np.finfo(values.dtype).tiny) & (values != 0)
        if lost.any():
            touched = True
            kept = np.where(lost, values.dtype.type(0), values)
            tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))
    return model.SerializeToString() if touched else None


def _taps(model: onnx.ModelProto, dim: int) -> list[str]:
    """Tensors of as many numbers a face as the embedding has, the last of them first."""
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    outputs = {output.name for output in model.graph.output}
    found = []
    for info in reversed(inferred):
        kind = info.type.tensor_type
        sizes = [place.dim_value for place in kind.shape.dim]
        wide = sizes[1:2] == [dim] and all(size == 1 for size in sizes[2:])
        if wide and kind.elem_type == onnx.TensorProto.FLOAT and info.name not in outputs:
            found.append(info.name)
    return found[:_MOST_TAPS]


def _runner(model: bytes, contract: EmbeddingContract, *, plain: bool = False) -> Run:
    """Rows of length one, mirrored ones added where the contract says so; `plain` runs the
    operators as they are written and fuses none."""
    session = _plain_session(model) if plain else ort_session(model, threads=1)
    name = session.get_inputs()[0].name
    return _run_of(lambda tensor: session.run(None, {name: tensor})[0], contract)


def _run_of(network: Run, contract: EmbeddingContract) -> Run:
    def features(tensor: Tensor) -> Rows:
        # one at a time: the graph may be made for that only
        parts = [network(tensor[row : row + 1]) for row in range(len(tensor))]
        return np.concatenate([np.asarray(part, np.float32).reshape(1, -1) for part in parts])

    def run(tensor: Tensor) -> Rows:
        rows = features(tensor)
        if contract.flip == "sum":
            rows = rows + features(np.ascontiguousarray(tensor[..., ::-1]))
        return unit_rows(rows)

    return run


def _plain_session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
