"""The self-test as a program in C: compiled here, without Python, on OpenVINO's C interface."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tiny_bundles import face_like, tiny_contract, tiny_onnx

from embedge.export.golden import golden_from_graphs
from embedge.runtime.encoders import unit_rows
from embedge.runtime.selftest.asking import Answers
from embedge.runtime.selftest.diagnosis import symptoms_in
from embedge.runtime.selftest.golden import Expected, Golden, Rows

openvino = pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
HERE = Path(__file__).parents[2] / "examples" / "native"
ENGINE = Path(openvino.__file__).parent
LIBRARIES = sorted((ENGINE / "libs").glob("libopenvino_c.so*"))
pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler"),
    pytest.mark.skipif(not LIBRARIES, reason="this openvino brings no C library"),
]
FED = ("RGB", "127.5", "127.5")


def numberless(model: Path, value: float, out: Path) -> None:
    """Every answer times `value`."""
    graph = onnx.load(model)
    name = graph.graph.output[0].name
    for node in graph.graph.node:
        node.output[:] = ["before" if one == name else one for one in node.output]
    graph.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), "value"))
    graph.graph.node.append(helper.make_node("Mul", ["before", "value"], [name]))
    onnx.save(graph, out)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("native")
    contract = tiny_contract(64)
    for name, seed, dim in (("right", 0, 64), ("stale", 9, 64), ("narrow", 0, 32)):
        (folder / f"{name}.onnx").write_bytes(tiny_onnx(tiny_contract(dim), seed=seed))
    faces = np.stack([face_like(seed) for seed in range(3)])
    golden = golden_from_graphs({"fp32": folder / "right.onnx"}, contract, faces)
    (folder / "golden.bin").write_bytes(golden)
    (folder / "cut.bin").write_bytes(golden[: len(golden) // 3])
    (folder / "last table cut.bin").write_bytes(golden[:-40])
    known = Golden.parsed(golden)
    right = known.artifacts["fp32"]
    for name, other in (
        ("nan.bin", replace(right, crops=right.crops * np.float32(np.nan))),
        ("lax.bin", replace(right, nearest=-1.0)),
        ("lost.bin", replace(right, nearest=np.nan)),
    ):
        (folder / name).write_bytes(replace(known, artifacts={"fp32": other}).to_bytes())
    (folder / "longer.bin").write_bytes(golden + b"x")
    (folder / "empty.bin").write_bytes(b"")
    for name, value in (("nan", np.nan), ("infinite", np.inf), ("nothing", 0.0)):
        numberless(folder / "right.onnx", value, folder / f"{name}.onnx")
    strict = ("-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined")
    engine = (f"-I{ENGINE / 'include'}", str(LIBRARIES[0]), f"-Wl,-rpath,{ENGINE / 'libs'}", "-lm")
    program = [str(HERE / "selftest.c"), "-o", str(folder / "selftest")]
    subprocess.run(["cc", *strict, *program, *engine], check=True)
    return folder


def asked(
    place: Path,
    *fed: str,
    model: str = "right",
    golden: str = "golden.bin",
    artifact: str = "fp32",
) -> tuple[int, str]:
    done = subprocess.run(
        ["./selftest", golden, f"{model}.onnx", artifact, *fed],
        cwd=place,
        capture_output=True,
        text=True,
    )
    assert "runtime error" not in done.stderr
    return done.returncode, done.stdout


def test_a_healthy_network_passes(place: Path) -> None:
    assert asked(place, *FED) == (0, "pass  fp32, cosine 1.00000\n")


@pytest.mark.parametrize(
    ("fed", "model", "fault"),
    [
        (("BGR", "127.5", "127.5"), "right", "colour-order"),
        (("RGB", "0", "1"), "right", "missing-normalisation"),
        (("RGB", "129.83", "148.46"), "right", "colour-range:16 to 235"),
        (FED, "stale", "unknown"),
    ],
)
def test_a_fault_is_named(place: Path, fed: tuple[str, ...], model: str, fault: str) -> None:
    status, said = asked(place, *fed, model=model)
    assert (status, said.split(": ", 1)[1]) == (3, f"{fault}\n")


@pytest.mark.parametrize(
    ("fed", "said"), [(FED, ""), (("RGB", "129.83", "148.46"), "colour-range:16 to 235")]
)
def test_a_fault_below_the_noise_of_an_artifact_is_named(
    place: Path, fed: tuple[str, ...], said: str
) -> None:
    """Its right answers are as uncertain as the fault is large; the tolerance is wider."""
    golden = Golden.parsed((place / "golden.bin").read_bytes())
    right = golden.of("fp32")
    noise = np.random.default_rng(0).normal(size=right.crops.shape).astype(np.float32)
    size = np.linalg.norm(right.moves["colour-range:16 to 235"]) / np.linalg.norm(noise)
    rough = replace(right, nearest=0.2, crops=unit_rows(right.crops + size * noise), faults={})
    both = replace(golden, artifacts={**golden.artifacts, "int8": rough})
    (place / "rough.bin").write_bytes(both.to_bytes())
    status, told = asked(place, *fed, golden="rough.bin", artifact="int8")
    assert (status, told.partition(": ")[2].strip()) == (3 if said else 0, said)
    found = symptoms_in(_answered(right.moves["colour-range:16 to 235"], right), both.of("int8"))
    assert [finding.fault for finding in found] == ["colour-range"]


def _answered(move: Rows, right: Expected) -> Answers:
    rows = right.crops + move
    return Answers(rows, (((0, 1, 2), rows),), (), None)


@pytest.mark.parametrize("model", ["nan", "infinite", "nothing"])
def test_answers_without_a_direction_are_a_collapse(place: Path, model: str) -> None:
    assert asked(place, *FED, model=model) == (3, "FAIL  fp32, cosine 0.00000: collapse\n")


def test_another_width_is_another_output(place: Path) -> None:
    assert asked(place, *FED, model="narrow") == (3, "FAIL  wrong-output: 32 numbers, not 64\n")


@pytest.mark.parametrize(
    "fed", [("bgr", "127.5", "127.5"), ("RGB", "x", "1"), ("RGB", "0", "0"), ("RGB", "nan", "1")]
)
def test_a_feeding_that_is_none_is_refused(place: Path, fed: tuple[str, ...]) -> None:
    assert asked(place, *fed) == (2, "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"golden": "right.onnx"},
        {"golden": "cut.bin"},
        {"golden": "last table cut.bin"},
        {"golden": "longer.bin"},
        {"golden": "nan.bin"},
        {"golden": "lax.bin"},
        {"golden": "lost.bin"},
        {"golden": "empty.bin"},
        {"golden": "/dev/null"},
        {"artifact": "fp64"},
    ],
)
def test_what_cannot_be_asked_ends_in_2(place: Path, wrong: dict[str, str]) -> None:
    assert asked(place, *FED, **wrong) == (2, "")
