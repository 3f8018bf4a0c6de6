"""The whole chain: teacher → head → student → graphs → engines → proof → report → bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedge.optional import require
from embedge.pipeline.proving.bounds import passing
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.checks import (
    require_comparisons,
    require_people,
    verification_sets,
)
from embedge.pipeline.stages.learn.faces import held_out_stage
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.learn.shaping import learning_stages, school_of
from embedge.pipeline.stages.ship.artifacts import (
    calibrate_stage,
    engines_stage,
    graphs_of,
    onnx_stage,
)
from embedge.pipeline.stages.ship.gates import bounds_of
from embedge.pipeline.stages.ship.int8 import int8_stage
from embedge.pipeline.stages.ship.latency import bench_stage
from embedge.pipeline.stages.ship.proof import measured, parity_stage
from embedge.pipeline.stages.ship.reporting import Chain, publish_bundle, report_stage
from embedge.pipeline.stages.ship.views import JudgedStages
from embedge.report.model import Report
from embedge.report.read import read_report
from embedge.runtime.encoders.bundled import runtime_of
from embedge.train.loop import ranks
from embedge.train.loop.training import device_named

__all__ = ["Outcome", "distill_and_export", "every_stage", "require_means"]


@dataclass(frozen=True, slots=True)
class Outcome:
    bundle: Path
    report: Report


def distill_and_export(run: Run, recipe: Recipe, command: str) -> Outcome | None:
    """Run or reuse every stage of the recipe. Only the first of several processes has an outcome:
    they learn together, what follows is work for one."""
    students = _students(run, recipe)
    first = ranks.rank() == 0
    ranks.dismiss()
    if not first:
        return None
    chain, report = _proven(run, recipe, students, command)
    bundle = publish_bundle(run, chain, report)
    return Outcome(bundle, read_report(bundle / "report.json"))


def every_stage(run: Run, recipe: Recipe) -> dict[str, Stage]:
    """All stages up to the report, by the names that the report knows; nothing is published."""
    chain, report = _proven(run, recipe, _students(run, recipe), command="")
    return {**chain.stages, "report": report}


def _proven(
    run: Run, recipe: Recipe, students: dict[str, Stage], command: str
) -> tuple[Chain, Stage]:
    chain = _graphs(run, recipe, students)
    _measure(run, recipe, chain)
    return chain, report_stage(run, chain, command)


def _students(run: Run, recipe: Recipe) -> dict[str, Stage]:
    # what cannot work is told before anything is trained
    require_people(recipe)
    require_comparisons(recipe)
    verification_sets(recipe)
    school, original = school_of(run, recipe)
    return learning_stages(run, recipe, recipe.distill.method, school, original)


def require_means(recipe: Recipe, processes: int = 1, methods: Sequence[str] = ()) -> None:
    """A GPU or a runtime that is not there, or a batch that so many processes cannot share, is told
    before anything is written: the mended recipe then finds no folder of another one."""
    for where, schedule in recipe.trained(*methods).items():
        schedule.require_shares(processes, where)
    if any(runtime_of(name) == "openvino" for name in recipe.export.precisions):
        require("openvino", extra="openvino")
    for name in recipe.devices:
        device_named(name)


def _graphs(run: Run, recipe: Recipe, stages: dict[str, Stage]) -> Chain:
    onnx = onnx_stage(run, recipe, stages["teacher"], stages["student"], stages["faces"])
    calibration = calibrate_stage(run, recipe, stages["faces"])
    school = School(stages["faces"], stages["teacher"], stages["head"])
    int8 = int8_stage(run, recipe, onnx, calibration, school)
    engines = engines_stage(run, onnx, int8, calibration)
    more = {"onnx": onnx, "calibrate": calibration, "int8": int8, "engines": engines}
    return Chain(recipe, {**stages, **more}, graphs_of(onnx, int8))


def _measure(run: Run, recipe: Recipe, chain: Chain) -> None:
    held_out = chain.stages["held-out"] = held_out_stage(run, recipe)
    after = [chain["onnx"], chain["int8"]]
    chain.stages["parity"] = parity_stage(
        run,
        recipe,
        JudgedStages(
            held_out,
            chain["teacher"],
            chain["student"],
            chain.stages.get("baseline"),
            chain.stages.get("original-teacher"),
        ),
        chain.graphs,
        after,
    )
    # a rehearsal of what is still to be measured takes it that everything holds
    known = measured(chain["parity"])
    holding = passing(bounds_of(recipe), chain.parity) if known else frozenset(chain.graphs)
    chain.stages["bench"] = bench_stage(run, recipe, held_out, chain.graphs, after, holding)
