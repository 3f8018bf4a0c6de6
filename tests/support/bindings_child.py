"""Runs where real bindings import: answers questions about their interface, in JSON."""

import json
import re
import sys
from typing import Any


def problems(trt: Any, uses: list[dict[str, Any]]) -> list[str]:
    found = []
    for use in uses:
        if problem := _problem(trt, use):
            owner = use["owner"] or "tensorrt"
            found.append(f"{use['place']}: {owner}.{use['name']}: {problem}")
    return found


def names(trt: Any, owners: list[str]) -> dict[str, list[str] | None]:
    """Public names of the module ("") and of its classes; None for a class that is not there."""
    answer: dict[str, list[str] | None] = {}
    for owner in owners:
        value = _class(trt, owner)
        answer[owner] = None if value is None else sorted(set(dir(value)))
    return answer


def _class(trt: Any, owner: str) -> Any:
    return getattr(trt, owner, None) if owner else trt


def _problem(trt: Any, use: dict[str, Any]) -> str | None:
    owner = _class(trt, use["owner"])
    if owner is None:
        return "there is no such class"
    if not hasattr(owner, use["name"]):
        return "there is no such name"
    value = getattr(owner, use["name"])
    if use["kind"] == "write" and getattr(value, "fset", None) is None:
        return "it cannot be set"
    if use["kind"] == "call":
        return _call_problem(value, use)
    if callable(value) and not isinstance(value, type) and use["kind"] == "read":
        return None if use["optional"] else "it is a function, and our code does not call it"
    return None


def _call_problem(value: Any, use: dict[str, Any]) -> str | None:
    if not callable(value):
        return "our code calls it, and it is no function"
    signatures = list(_signatures(value))
    if not signatures:
        return "its signature is not documented"
    fits = any(_fits(signature, use) for signature in signatures)
    return None if fits else f"no signature fits {use['arguments']} arguments: {signatures}"


def _signatures(value: Any) -> Any:
    """(required, all names) of every overload, from the docstring that pybind11 writes."""
    told: Any = value.__init__ if isinstance(value, type) else value  # type: ignore[misc]
    document = told.__doc__ or ""
    for text in re.findall(r"^\s*(?:\d+\.\s)?\w+\((.*)\)(?: -> |$)", document, re.MULTILINE):
        parameters = [p for p in _split(text) if not re.match(r"self\b", p)]
        yield (
            sum("=" not in p for p in parameters),
            [re.split(r"[:=]", p)[0].strip() for p in parameters],
        )


def _split(text: str) -> list[str]:
    """Parameters of a signature, split at the commas that stand outside brackets."""
    parts, depth, current = [], 0, ""
    for character in text:
        depth += (character in "[(<{") - (character in "])>}")
        if character == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    return [part for part in [*parts, current.strip()] if part and part != "*"]


def _fits(signature: tuple[int, list[str]], use: dict[str, Any]) -> bool:
    required, parameters = signature
    if set(use["keywords"]) - set(parameters):
        return False
    if use["arguments"] < 0:  # called with *arguments
        return True
    given = use["arguments"] + len(use["keywords"])
    return required <= given <= len(parameters)


if __name__ == "__main__":
    import tensorrt_bindings

    question: Any = {"problems": problems, "names": names}[sys.argv[1]]
    print(json.dumps(question(tensorrt_bindings, json.load(sys.stdin))))
