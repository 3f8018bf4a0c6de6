"""What Qualcomm's own wheel makes of our portable INT8 graph, on x86 and without an SDK.

    python benchmarks/qnn_try.py prepare FOLDER NETWORK.onnx FACES       # where embedge is
    OTHER/bin/python benchmarks/qnn_try.py ask FOLDER                  # with onnxruntime-qnn

The wheel wants an onnxruntime of its own age, so it has an environment of its own. `prepare` writes
`int8-qdq` for one picture at a time, the float graph and some pictures; `ask` compiles it for a
Hexagon (v73), says what was left to the CPU, and runs it in the wheel's emulation of one. No
Snapdragon is asked: times here say nothing.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

CALIBRATION, ASKED = 64, 16
HEXAGON = {"soc_model": "60", "htp_arch": "73"}


def prepare(folder: Path, network: Path, faces: Path) -> None:
    import onnx

    from embedge.export.int8.calibration_set import picture_files
    from embedge.export.int8.qdq import qdq_from_onnx
    from embedge.export.intake.feeding import Stated
    from embedge.export.intake.intake import Asked, taken_in
    from embedge.runtime.contract import tensor_from_crops
    from embedge.runtime.picture.images import rgb_from_picture

    folder.mkdir(parents=True, exist_ok=True)
    names = picture_files(faces)
    some = np.random.default_rng(4).permutation(len(names))[: CALIBRATION + ASKED]
    images = np.stack([rgb_from_picture(faces / names[i]) for i in some])
    taken = taken_in(network, images, Asked(Stated((127.5,), (127.5,), "RGB")))
    qdq_from_onnx(taken.graph, images[:CALIBRATION], folder / "qdq.onnx", target="qdq")
    taken.graph.write(folder / "float.onnx")
    model = onnx.load(folder / "qdq.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]
    onnx.save(model, folder / "qdq.onnx")
    np.save(folder / "pictures.npy", tensor_from_crops(images[CALIBRATION:], taken.contract))


def ask(folder: Path) -> None:
    import onnxruntime
    import onnxruntime_qnn

    onnxruntime.register_execution_provider_library("QNN", onnxruntime_qnn.get_library_path())
    (device,) = [d for d in onnxruntime.get_ep_devices() if d.ep_name == "QNN"]
    backend = {"backend_path": onnxruntime_qnn.get_qnn_htp_path()}

    def session(more: dict[str, str], **entries: str) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors name what it leaves to the CPU
        for key, value in entries.items():
            options.add_session_config_entry(f"ep.{key}", value)
        options.add_provider_for_devices([device], {**backend, **more})
        return onnxruntime.InferenceSession(folder / "qdq.onnx", options)

    context = folder / "context.onnx"
    for old in folder.glob("context*"):
        old.unlink()
    begun = time.monotonic()
    session(HEXAGON, context_enable="1", context_file_path=str(context), context_embed_mode="0")
    (code,) = folder.glob("context*.bin")
    print(f"compiled in {time.monotonic() - begun:.1f} s: {code.stat().st_size} bytes")
    pictures = np.load(folder / "pictures.npy")
    emulated = _rows(session({}), pictures)
    for name in ("qdq", "float"):
        known = onnxruntime.InferenceSession(
            folder / f"{name}.onnx", providers=["CPUExecutionProvider"]
        )
        cosines = (emulated * _rows(known, pictures)).sum(axis=1)
        print(f"cosine to {name} on ONNX Runtime: {cosines.min():.5f} to {cosines.max():.5f}")


def _rows(session: Any, pictures: np.ndarray) -> np.ndarray:
    name = session.get_inputs()[0].name
    rows = [session.run(None, {name: picture[None]})[0] for picture in pictures]
    whole = np.concatenate(rows)
    return whole / np.linalg.norm(whole, axis=1, keepdims=True)


if __name__ == "__main__":
    command, folder, *more = sys.argv[1:]
    prepare(Path(folder), *map(Path, more)) if command == "prepare" else ask(Path(folder))
