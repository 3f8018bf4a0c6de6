"""Walks through the house: the files that real calls pass, `python tools/walks.py [--write]`.

`--write` puts the lists into docs/architecture.md. Needs the extras train and export.
"""

import argparse
import ast
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from imports import modules_of
from traced import files_entered

HERE = Path(__file__).resolve().parent.parent
SOURCE = HERE / "src"
PAGE = HERE / "docs" / "architecture.md"
KEY = "tau"  # of the recipe's section `distill`, for the method gkd

sys.path[:0] = [str(HERE / "tests" / "support"), str(SOURCE)]


@dataclass(frozen=True, slots=True)
class Walk:
    """`files` makes everything ready and says which files the walk itself passes."""

    name: str
    what: str
    most: int
    files: Callable[[Path], list[str]]


def decision(folder: Path) -> list[str]:
    """Two pictures in which a face must be found first."""
    from PIL import Image
    from tiny_bundles import face_like, tiny_bundle
    from tiny_detectors import constant_onnx, scrfd_outputs

    from embedge.runtime import FaceMatcher

    points = np.array([[50, 50], [75, 50], [62, 64], [52, 78], [73, 78]], float)
    planted = constant_onnx(scrfd_outputs([(np.array([33, 26, 95, 102]), points, 0.9)]))
    for seed in (1, 2):
        Image.fromarray(face_like(seed, 128)).save(folder / f"{seed}.png")
    with FaceMatcher.load(tiny_bundle(folder / "tiny.embedge"), detector=planted) as matcher:
        return _entered(lambda: matcher.verify(folder / "1.png", folder / "2.png"))


def gradient(_: Path) -> list[str]:
    """One batch against the frozen shared head, from the pictures to the student's gradient."""
    import torch

    from embedge.train.data.dataset import FaceSet
    from embedge.train.data.feeding.batches import Batches
    from embedge.train.head.margins import Margin
    from embedge.train.methods import Ingredients, Sample, method_named
    from embedge.train.models import mobilefacenet

    labels = np.arange(8) % 4
    faces = FaceSet("grey", np.full((8, 112, 112, 3), 99, np.uint8), labels, tuple("abcd"), "f")
    head = torch.nn.functional.normalize(torch.randn(4, 32))
    network = mobilefacenet(32, scale=1, width=0.125)
    ingredients = Ingredients.without_teacher(4, 32, Margin(m1=1.0, m2=0.3, m3=0.0, scale=32.0))
    method = method_named("proxyless", replace(ingredients, head=head))

    def step() -> None:
        batch = Batches(faces, 4, seed=0, flip=True).at(0)
        teacher, fed = torch.randn(4, 32), batch.on(torch.device("cpu"), torch.channels_last)
        method(Sample(network(fed), batch.labels, teacher)).total.backward()

    return _entered(step)


def key_to_use(_: Path) -> list[str]:
    """Where `distill.tau` is declared, read or used, by the syntax."""
    return sorted(
        module.name.removeprefix("embedge.").replace(".", "/") + ".py"
        for module in modules_of(SOURCE)
        if not module.is_package and _names(_path(module.name), KEY)
    )


def int8(folder: Path) -> list[str]:
    """A student's float graph to the graph for ONNX Runtime's CPU kernels."""
    from small_face import DIM, small_face, smooth_pictures

    from embedge.export.int8.qdq import qdq_from_onnx
    from embedge.export.student import onnx_from_student
    from embedge.runtime.contract import EmbeddingContract

    contract = EmbeddingContract(space="s" * 64, model="m" * 64, dim=DIM)
    source, pictures = folder / "s.onnx", smooth_pictures(8)
    onnx_from_student(small_face(), contract, source)
    return _entered(lambda: qdq_from_onnx(source, pictures, folder / "q.onnx"))


WALKS = (
    Walk("decision", "picture → decision", 15, decision),
    Walk("gradient", "picture → gradient", 12, gradient),
    Walk("key", f"the recipe key `distill.{KEY}` → its use", 3, key_to_use),
    Walk("int8", "float ONNX → INT8", 12, int8),
)


def walked(walk: Walk) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return walk.files(Path(folder))


def told(walk: Walk, files: list[str]) -> str:
    listed = ", ".join(f"`{file}`" for file in files)
    return f"**{walk.what}**: {len(files)} files (at most {walk.most}): {listed}"


def rewritten(page: str, walk: Walk, files: list[str]) -> str:
    """The page with the list of this walk between its two marks."""
    begin, end = f"<!-- walk {walk.name} -->\n", "<!-- /walk -->"
    marked = re.compile(f"{begin}.*?{end}", re.DOTALL)
    if not marked.search(page):
        raise SystemExit(f"{PAGE} has no place for the walk '{walk.name}': {begin.strip()}")
    return marked.sub(lambda _: begin + told(walk, files) + f"\n{end}", page, count=1)


def _entered(call: Callable[[], object]) -> list[str]:
    return files_entered(call, SOURCE)


def _path(module: str) -> Path:
    return SOURCE / (module.replace(".", "/") + ".py")


def _names(path: Path, word: str) -> bool:
    """Whether the code, not its texts, says the word."""
    said: dict[type, Callable[[Any], object]] = {
        ast.Name: lambda node: node.id,
        ast.Attribute: lambda node: node.attr,
        ast.keyword: lambda node: node.arg,
        ast.arg: lambda node: node.arg,
        ast.Constant: lambda node: node.value,
    }
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(said[type(node)](node) == word for node in ast.walk(tree) if type(node) in said)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="refresh docs/architecture.md")
    write = parser.parse_args(arguments).write
    too_long = 0
    for walk in WALKS:
        files = walked(walk)
        too_long += len(files) > walk.most
        print(told(walk, files), end="\n\n")
        if write:
            PAGE.write_text(rewritten(PAGE.read_text(), walk, files))
    return 3 if too_long else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
