"""The bounds that decide whether a run may be shipped."""

from typing import Any

from embedge.pipeline.recipe import Recipe

__all__ = ["gates_of"]


def gates_of(recipe: Recipe, findings: dict[str, Any]) -> list[dict[str, Any]]:
    """Every gate with its value; one that could not be measured has failed."""
    return [
        *_cosine_gates(recipe, findings),
        *_loss_gates(recipe, findings),
        *_cross_space_gate(recipe, findings),
    ]


def _cosine_gates(recipe: Recipe, findings: dict[str, Any]) -> list[dict[str, Any]]:
    bounds = recipe.evaluate.gates.cosine_p1
    return [
        _gate(
            f"{name} parity",
            f"cosine of {name} to the student in torch, first percentile",
            facts["cosine"]["p1"],
            bounds[name],
            "min",
        )
        for name, facts in findings["artifacts"].items()
        if name in bounds
    ]


def _loss_gates(recipe: Recipe, findings: dict[str, Any]) -> list[dict[str, Any]]:
    fmr, bound = recipe.evaluate.gate_fmr, recipe.evaluate.gates.tar_loss
    whole = _tar(findings, "student fp32", fmr)
    gates = []
    for name in findings["artifacts"]:
        if name == "fp32":
            continue
        part = _tar(findings, f"student {name}", fmr)
        loss = None if whole is None or part is None else 100 * (whole - part)
        what = f"TAR that {name} loses against fp32 at FMR {fmr:g}"
        gates.append(_gate(f"{name} accuracy", what, loss, 100 * bound, "max", "points"))
    return gates


def _cross_space_gate(recipe: Recipe, findings: dict[str, Any]) -> list[dict[str, Any]]:
    """Absent where the student has a space of its own and nobody asked for more."""
    fmr, bound = recipe.evaluate.gate_fmr, recipe.evaluate.gates.cross_space_tar
    compared = any(row["name"] == "teacher / student fp32" for row in findings["comparisons"])
    if not compared and bound == 0:
        return []
    value = _tar(findings, "teacher / student fp32", fmr)
    return [
        _gate(
            "no re-enrolment",
            f"TAR of student probes against the teacher's gallery at FMR {fmr:g}",
            None if value is None else 100 * value,
            100 * bound,
            "min",
            "%",
        )
    ]


def _tar(findings: dict[str, Any], comparison: str, fmr: float) -> float | None:
    for row in findings["comparisons"]:
        if row["name"] == comparison:
            found = {point["fmr"]: point.get("tar") for point in row["tar"]}
            return found.get(fmr)
    return None


def _gate(
    name: str, what: str, value: float | None, bound: float, direction: str, unit: str = ""
) -> dict[str, Any]:
    holds = value is not None and (value >= bound if direction == "min" else value <= bound)
    return {
        "name": name,
        "what": what,
        "value": None if value is None else round(value, 5),
        "bound": bound,
        "direction": direction,
        "unit": unit,
        "passed": holds,
    }
