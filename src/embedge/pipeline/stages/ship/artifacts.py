"""The middle stages: from a student's weights to the graphs and engines a device runs."""

from pathlib import Path
from typing import Any

import numpy as np

from embedge.export.engines import EngineOptions, engine_from_onnx, engines_available
from embedge.export.fp16 import fp16_from_onnx
from embedge.export.int8.calibration_set import choose
from embedge.export.int8.placement import INT8
from embedge.export.student import onnx_from_student
from embedge.files import sha256_file, whole_file
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.students import load_student, shares_space
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.runtime.contract import EmbeddingContract

__all__ = [
    "calibrate_stage",
    "contract_of",
    "engines_stage",
    "graphs_of",
    "onnx_stage",
]

# which graph an engine of each precision is built from
_ENGINES = {"fp32": "fp32", "fp16": "fp16", "int8": "int8-trt"}


def contract_of(teacher: Stage, student: Stage) -> EmbeddingContract:
    """The student's contract; its space is the teacher's, if its method leads there."""
    model = sha256_file(student.folder / "student.safetensors")
    return EmbeddingContract(
        space=teacher_of(teacher).space if shares_space(student) else f"sha256:{model[:32]}",
        model=model,
        dim=student.facts["dim"],
    )


def onnx_stage(run: Run, recipe: Recipe, teacher: Stage, student: Stage, faces: Stage) -> Stage:
    """The float graphs."""
    wanted = [name for name in recipe.export.precisions if name not in INT8]

    def work(folder: Path) -> dict[str, Any]:
        fp32 = folder / "student.fp32.onnx"
        contract = contract_of(teacher, student)
        onnx_from_student(load_student(recipe, student), contract, fp32, opset=recipe.export.opset)
        if "fp16" in wanted:
            some = faces_of(faces).images[:32]
            fp16_from_onnx(fp32, folder / "student.fp16.onnx", images=np.asarray(some))
        return {}

    inputs = {"opset": recipe.export.opset, "precisions": wanted}
    return run.stage("onnx", inputs, [teacher, student], work)


def calibrate_stage(run: Run, recipe: Recipe, faces: Stage) -> Stage:
    """Pictures that show the quantiser what activations look like: spread over identities."""
    count, seed = recipe.data.calibration_images, recipe.seed

    def work(folder: Path) -> dict[str, Any]:
        pictures = faces_of(faces)
        chosen = choose(None, pictures.labels.tolist(), count, seed=seed)
        with whole_file(folder / "images.npy") as part, part.open("wb") as stream:
            np.save(stream, pictures.images[chosen])
        return {"images": len(chosen), "sha256": sha256_file(folder / "images.npy")}

    return run.stage("calibrate", {"images": count, "seed": seed}, [faces], work)


def engines_stage(run: Run, onnx: Stage, int8: Stage, calibration: Stage) -> Stage:
    """TensorRT engines where TensorRT and a GPU are; elsewhere the reason why not."""
    reason = engines_available()

    def work(folder: Path) -> dict[str, Any]:
        if reason:
            run.progress.say(f"  engines skipped: {reason}")
            return {"skipped": reason}
        graphs = graphs_of(onnx, int8)
        for precision, name in _ENGINES.items():
            if name in graphs:
                engine_from_onnx(
                    graphs[name],
                    folder / f"student.{precision}.plan",
                    EngineOptions(precision),
                    calibration_sha256=calibration.facts["sha256"],
                )
        return {"skipped": None}

    return run.stage("engines", {"skipped": reason}, [onnx, int8, calibration], work)


def graphs_of(*stages: Stage) -> dict[str, Path]:
    """Artifact name -> ONNX file, in the order of the recipe's stages."""
    files = [path for stage in stages for path in sorted(stage.folder.glob("student.*.onnx"))]
    order = ("fp32", "fp16", *INT8)
    graphs = {path.name.removeprefix("student.").removesuffix(".onnx"): path for path in files}
    return {name: graphs[name] for name in order if name in graphs}
