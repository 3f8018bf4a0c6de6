"""What training inside INT8 arithmetic gives back, on the student of a finished run.

    python benchmarks/qat.py --run runs/demo [--steps 200] [--bits 8 4]

Takes the distilled student of a run folder (`make demo`), quantises it after training (PTQ), and
trains it for a short time inside INT8 under the frozen shared head (QAT), for both targets. Judged
on rendered people whom nobody was trained on: mean cosine to the teacher's embedding of the same
picture, and TAR of the student's probes in the teacher's gallery. `recovered` is the share of what
PTQ lost in that cosine. A float student trained for as many steps stands beside them, so that
nobody takes more training for a gift of QAT. `--bits 4` makes the weights coarse enough to hurt.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from provenance import provenance, write_result
from safetensors.torch import load_file

from embedge.calibration.pairs import pairs_between
from embedge.calibration.rates import operating_point
from embedge.export.before_after import embeddings_of
from embedge.export.fake_quant import FakeQuantised
from embedge.export.parity import compare_embeddings
from embedge.export.qat import trained_graph
from embedge.export.qdq import Calibrated, calibrated_graph, quantised
from embedge.export.surgery import Graph
from embedge.pipeline.faces import faces_of
from embedge.pipeline.learning import cached, margin_of, teacher_of
from embedge.pipeline.stages import Stage
from embedge.progress import Progress
from embedge.recipe import Recipe
from embedge.train.data.rendered import render_face_set
from embedge.train.distil import Lesson, train_student
from embedge.train.loop import Plan
from embedge.train.methods import Ingredients

FIRST_STRANGER = 2_000_000_000
FMRS = (1e-2, 1e-3)
GOAL = 0.5

Rows = NDArray[np.float32]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--bits", type=int, nargs="+", default=[8])
    parser.add_argument("--targets", nargs="+", default=["cpu", "trt"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        rows = list(bench.rows())
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()}
    facts = provenance("torch", "onnx", "onnxruntime")
    write_result("qat", {"provenance": facts, **settings, "goal": GOAL, "rows": rows})
    return 0


class Bench:
    """The student of a run, its lesson, and strangers to judge it on."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.recipe = Recipe.model_validate(json.loads((options.run / "recipe.json").read_text()))
        self.images = np.load(_stage(options.run, "calibrate").folder / "images.npy")
        self.model = _stage(options.run, "onnx").folder / "student.fp32.onnx"
        self.lesson = _lesson(options.run, self.recipe)
        self.progress = Progress(quiet=True)
        strangers = render_face_set(
            "strangers",
            folder / "strangers",
            seed=self.recipe.data.seed,
            first=FIRST_STRANGER,
            identities=options.people,
            per_identity=8,
            progress=self.progress,
        )
        self.faces, self.labels = np.asarray(strangers.images), strangers.labels
        known = teacher_of(_stage(options.run, "teacher"))
        self.taught: Rows = known.embed(strangers, what="strangers", progress=self.progress)
        self.whole: Rows = embeddings_of(self.model, self.faces)

    def rows(self) -> Any:
        base = self._row("fp32", self.whole)
        yield base
        for target in self.options.targets:
            calibrated = calibrated_graph(self.model, self.images, target)
            if target == self.options.targets[0]:
                yield self._row("fp32, trained as long", self._float_twin(calibrated))
            for bits in self.options.bits:
                yield from self._pair(calibrated, bits, base["cosine_to_teacher"])

    def _pair(self, calibrated: Calibrated, bits: int, whole: float) -> Any:
        name = f"int8-{calibrated.target}, {bits}-bit weights"
        after = quantised(calibrated, self.images, "mse", weight_bits=bits)
        before = self._row(f"{name}, PTQ", self._embedded(after))
        yield before
        graph = trained_graph(calibrated, self.images, self._fit(name), weight_bits=bits)
        row = self._row(f"{name}, QAT", self._embedded(graph))
        lost = whole - before["cosine_to_teacher"]
        gained = row["cosine_to_teacher"] - before["cosine_to_teacher"]
        yield {**row, "recovered": gained / lost, "held": gained >= GOAL * lost}

    def _float_twin(self, calibrated: Calibrated) -> Rows:
        """The same graph, trained by the same steps without any rounding."""
        module = FakeQuantised(calibrated, self.images)
        module.scales, module.rounded = {}, set()
        self._fit("float")(module)
        return self._embedded(module.to_calibrated().graph)

    def _fit(self, name: str) -> Any:
        steps = self.options.steps
        plan = Plan(
            steps=steps,
            batch=32,
            optimizer="adamw",
            lr=self.options.lr,
            weight_decay=0.0,
            warmup=steps // 10,
            clip=5.0,
            amp="fp32",
            ema=0.0,
            checkpoint_every=steps,
        )
        return lambda module: train_student(
            name, module, self.lesson, plan, seed=1, folder=self.folder, progress=self.progress
        )

    def _embedded(self, graph: Graph) -> Rows:
        rows: Rows = embeddings_of(graph.copy().to_model().SerializeToString(), self.faces)
        return rows

    def _row(self, name: str, rows: Rows) -> dict[str, Any]:
        unit, taught = (r / np.linalg.norm(r, axis=1, keepdims=True) for r in (rows, self.taught))
        places = np.arange(len(unit))
        sides = {"gallery_images": places, "probe_images": places}
        pairs = pairs_between(taught, self.labels, unit, self.labels, **sides)
        points = {f"{fmr:g}": operating_point(pairs, fmr) for fmr in FMRS}
        found = {
            "name": name,
            "cosine_to_teacher": compare_embeddings(self.taught, rows).mean,
            "cosine_to_fp32": compare_embeddings(self.whole, rows).to_json(),
            "cross_space_tar": {k: 100 * getattr(p, "tar", np.nan) for k, p in points.items()},
        }
        tars = " ".join(f"{value:7.3f}" for value in found["cross_space_tar"].values())
        print(f"{name:34} to teacher {found['cosine_to_teacher']:.5f}  TAR {tars}", flush=True)
        return found


def _stage(run: Path, name: str) -> Stage:
    (folder,) = run.glob(f"stages/{name}-{'[0-9a-f]' * 12}")
    facts = json.loads((folder / "stage.json").read_text())["facts"]
    return Stage(name, folder.name.removeprefix(f"{name}-"), folder, facts)


def _lesson(run: Path, recipe: Recipe) -> Lesson:
    """The student's own, but for the head of its own, which would start from noise here."""
    head = load_file(_stage(run, "head").folder / "head.safetensors")["head"]
    distill = recipe.distill
    ingredients = Ingredients(
        classes=len(head),
        dim=head.shape[1],
        head=head,
        margin=margin_of(distill.margin),
        a=1.0,
        alpha=distill.alpha,
        beta=distill.beta,
        temperature=distill.temperature,
    )
    faces, cache = faces_of(_stage(run, "faces")), cached(_stage(run, "cache"))
    return Lesson("th-kd", ingredients, faces, cache)


if __name__ == "__main__":
    sys.exit(main())
