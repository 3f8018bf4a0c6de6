"""A student that learns from what its teacher says in another network's space."""

from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
from called import called

from embedge.runtime.bridge import Bridge, End, write_bridge
from embedge.runtime.bundle.bundle import Bundle
from embedge.train.teachers import open_teacher
from embedge.train.teachers.opened import SHIPPED

TINY = Path(__file__).parent / "tiny.yaml"
QUICK = ["--teacher.source", "shipped", "--export.precisions", "[fp32]"]
QUICK += ["--method", "l2e", "--no-baseline"]


def distill(out: Path, *more: object) -> CompletedProcess[str]:
    return called("distill-and-export", "--recipe", TINY, "--out", out, *QUICK, *more)


def map_to(path: Path, source: str, dim: int) -> Bridge:
    teacher = open_teacher(SHIPPED)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(teacher.dim, teacher.dim)))[0]
    end = End("the gallery's space", "of another network", dim)
    bridge = Bridge.from_matrix(
        End(source, teacher.digest, teacher.dim), end, turn[:dim].astype(np.float32)
    )
    write_bridge(path, bridge)
    return bridge


def test_the_student_speaks_the_space_at_the_other_end(tmp_path: Path) -> None:
    teacher = open_teacher(SHIPPED)
    bridge = map_to(tmp_path / "map", teacher.space, teacher.dim // 2)
    done = distill(tmp_path / "run", "--distill.bridge", tmp_path / "map")
    assert done.returncode == 0, done.stderr
    with Bundle.open(tmp_path / "run" / "tiny.embedge") as bundle:
        bridge.target.require(bundle.contract)
    (stage,) = (tmp_path / "run" / "stages").glob("teacher-bridged-*")
    seen = open_teacher(stage)
    assert seen.space == "the gallery's space"
    assert seen.dim == teacher.dim // 2
    assert teacher.head is not None
    assert seen.head is not None
    rows = teacher.head.float().numpy() @ bridge.linear.T
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(seen.head.numpy(), unit, atol=1e-5)


def test_a_map_of_another_network_is_refused(tmp_path: Path) -> None:
    map_to(tmp_path / "map", "another space", 16)
    done = distill(tmp_path / "run", "--distill.bridge", tmp_path / "map")
    assert done.returncode == 2
    assert "E-TEACHER" in done.stderr
    done = distill(tmp_path / "other", "--distill.bridge", tmp_path / "none")
    assert done.returncode == 2
    assert "E-BRIDGE-MISSING" in done.stderr
