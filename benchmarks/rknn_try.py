"""What Rockchip's toolkit makes of a network, by its simulator on x86: likeness to the float graph.

    python benchmarks/rknn_try.py prepare NETWORK.onnx FOLDER [--faces LFW --feeding rgb-scaled]
    VENV/bin/python benchmarks/rknn_try.py simulate FOLDER      # where rknn-toolkit2 is installed
    python benchmarks/rknn_try.py store FOLDER [FOLDER ...]

`rknn-toolkit2` wants an older numpy, onnx and torch than embedge, so it lives in an environment of
its own and this file imports there nothing but numpy and the toolkit:

    pip install --no-deps rknn-toolkit2==2.5.0 numpy==1.26.4 onnx==1.18.0 protobuf==4.25.4
    pip install psutil ruamel.yaml 'scipy<1.14' tqdm 'opencv-python-headless<4.11' torch \\
        fast-histogram onnxruntime==1.20.1 'setuptools<70' 'numpy==1.26.4' 'protobuf==4.25.4'

`prepare` writes the float graph, our `int8-qdq`, pictures to calibrate on and others to judge, and
what ONNX Runtime answers to these. `simulate` converts both for an RK3588, and the float graph once
more with the toolkit's own INT8. The simulator computes on the CPU: what an NPU answers, and how
fast, is not known from it.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

WAYS = {  # by name: the file, and whether the toolkit quantises it
    "fp32": ("fp32.onnx", False),
    "int8 by rknn-toolkit2": ("fp32.onnx", True),
    "int8-qdq": ("qdq.onnx", False),
}
LEARNT, JUDGED = 64, 64


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("prepare")
    first.add_argument("network", type=Path)
    first.add_argument("folder", type=Path)
    first.add_argument("--faces", type=Path)
    first.add_argument("--feeding", default="rgb-scaled")
    steps.add_parser("simulate").add_argument("folder", type=Path)
    steps.add_parser("store").add_argument("folders", type=Path, nargs="+")
    options = parser.parse_args()
    if options.step == "prepare":
        prepare(options.network, options.folder, options.faces, options.feeding)
    elif options.step == "simulate":
        simulate(options.folder)
    else:
        store(options.folders)
    return 0


def prepare(network: Path, folder: Path, faces: Path | None, feeding: str) -> None:
    from PIL import Image
    from target_files import Pictures, network_name, taken

    from embedge.export.graph.running import read_contract
    from embedge.export.int8.qdq import qdq_from_onnx
    from embedge.runtime.encoders.ort import OrtEncoder

    folder.mkdir(parents=True)
    pictures = Pictures.of_folder(faces) if faces else Pictures.rendered()
    learnt, judged = pictures.learnt[:LEARNT], pictures.faces[:JUDGED]
    graph, source = taken(network, feeding, folder, learnt)
    source.rename(folder / "fp32.onnx")
    qdq_from_onnx(graph, learnt, folder / "qdq.onnx", target="qdq")
    names = [folder.resolve() / f"learnt-{place}.png" for place in range(len(learnt))]
    for name, picture in zip(names, learnt):
        Image.fromarray(picture).save(name)
    (folder / "learnt.txt").write_text("\n".join(map(str, names)))
    contract = read_contract(graph)
    with OrtEncoder((folder / "fp32.onnx").read_bytes(), contract, threads=1) as encoder:
        np.savez(folder / "judged.npz", faces=judged, rows=encoder.embed(judged))
    facts = {
        "network": network_name(network),
        "input": graph.inputs[0].name,
        "mean": np.broadcast_to(contract.mean, 3).tolist(),
        "std": np.broadcast_to(contract.std, 3).tolist(),
        "bgr": contract.colour == "BGR",
    }
    (folder / "facts.json").write_text(json.dumps(facts))


def simulate(folder: Path) -> None:
    from importlib.metadata import version

    judged, facts = np.load(folder / "judged.npz"), json.loads((folder / "facts.json").read_text())
    rows = {name: _row(folder, *way, facts, judged) for name, way in WAYS.items()}
    told = {"network": facts["network"], "rknn-toolkit2": version("rknn-toolkit2"), "rows": rows}
    (folder / "simulated.json").write_text(json.dumps(told, indent=2))
    print(json.dumps(told, indent=2))


def _row(folder: Path, file: str, learns: bool, facts: Any, judged: Any) -> dict[str, Any]:
    from rknn.api import RKNN

    toolkit = RKNN(verbose=False)
    toolkit.config(
        mean_values=[facts["mean"]],
        std_values=[facts["std"]],
        target_platform="rk3588",
        quant_img_RGB2BGR=facts["bgr"],
    )
    made = folder / f"{file.removesuffix('.onnx')}{'-learnt' if learns else ''}.rknn"
    for step in (
        lambda: toolkit.load_onnx(
            model=str(folder / file), inputs=[facts["input"]], input_size_list=[[1, 3, 112, 112]]
        ),
        lambda: toolkit.build(
            do_quantization=learns, dataset=str(folder / "learnt.txt") if learns else None
        ),
        lambda: toolkit.export_rknn(str(made)),
        toolkit.init_runtime,
    ):
        if step():
            raise SystemExit(f"rknn-toolkit2 refuses {file}")
    order = [2, 1, 0] if facts["bgr"] else [0, 1, 2]
    found = np.concatenate(
        [
            np.asarray(toolkit.inference(inputs=[face[None, :, :, order]], data_format=["nhwc"])[0])
            for face in judged["faces"]
        ]
    ).reshape(len(judged["faces"]), -1)
    toolkit.release()
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    cosines = np.sum(found * judged["rows"], axis=1)
    return {
        "bytes": made.stat().st_size,
        "cosine_min": round(float(cosines.min()), 6),
        "cosine_median": round(float(np.median(cosines)), 6),
        "faces": len(cosines),
    }


def store(folders: list[Path]) -> None:
    from provenance import provenance, write_result

    told = [json.loads((folder / "simulated.json").read_text()) for folder in folders]
    networks = {one.pop("network"): one for one in told}
    write_result("rknn", {"provenance": provenance(), "networks": networks})


if __name__ == "__main__":
    sys.exit(main())
