"""How many calibration pictures are enough, and whether choosing them matters.

    python benchmarks/calibration_size.py MODEL.onnx --faces DIR [--sizes 16 32 64 128 256]

For every size: mean and lowest cosine of the INT8 graph to float on other pictures, with the set
chosen over conditions and people, and with as many pictures drawn at random.
"""

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance, write_result

from embedge.calibration.evaluation.judge import cosines_of
from embedge.export.graph.running import embeddings_of
from embedge.export.graph.surgery import Graph
from embedge.export.int8.calibration_set import choose, picture_features, picture_files
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims, taken_in
from embedge.runtime.picture.images import rgb_from_picture

POOL, TEST = 1024, 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    options = parser.parse_args()
    names = picture_files(options.faces)
    order = np.random.default_rng(0).permutation(len(names))[: POOL + TEST]
    images = np.stack([rgb_from_picture(options.faces / names[i]) for i in order])
    people = [Path(names[i]).parent.as_posix() for i in order]
    test, pool = images[:TEST], images[TEST:]
    asked = Claims(Stated((127.5,), (127.5,), "RGB"))
    taken = taken_in(options.model, pool[:8], asked)
    reference = taken.expected(test)
    rows = list[dict[str, Any]]()
    for size in options.sizes:
        chosen = choose(picture_features(pool), people[TEST:], size)
        for kind, picked in (("chosen", chosen), ("random", np.arange(min(size, len(pool))))):
            found = _parity(taken.graph, pool[picked], test, reference)
            rows.append({"pictures": size, "set": kind, **found})
            print(f"{size:5} {kind:7} mean {found['mean']:.5f} lowest {found['min']:.5f}")
    facts = provenance("onnxruntime", "onnx")
    model = {"model": options.model.name, "faces": options.faces.name}
    write_result(
        f"calibration_size_{options.model.stem}", {"provenance": facts, **model, "rows": rows}
    )
    return 0


def _parity(model: Graph, pictures: Any, test: Any, reference: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "int8.onnx"
        qdq_from_onnx(model, pictures, out)
        return asdict(cosines_of(reference, embeddings_of(out, test)))


if __name__ == "__main__":
    sys.exit(main())
