"""A bridge between two real networks of different makers, fitted on strangers."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embedge.calibration.bridging.agreement import agreement
from embedge.calibration.bridging.ends import pictures_under
from embedge.calibration.bridging.labelled import People, labelled_evidence
from embedge.calibration.bridging.verdict import Demands, verdict
from embedge.calibration.evaluation.embed import embedded
from embedge.calibration.evaluation.subjects import opened_model
from embedge.calibration.protocols.folders import people_in_folders
from embedge.runtime.bridge import End
from embedge.train.bridge.fit import fitted_bridge
from embedge.train.bridge.pairs import Pairs

pytestmark = pytest.mark.real

MODELS = {"insightface_y1": None, "foamliu_mbf": "rgb-imagenet"}
FMRS = (1e-2, 1e-3)
DEMANDS = Demands(1e-3, 0.9)


@pytest.mark.timeout(1200)
def test_another_makers_network_takes_over(real: Path) -> None:
    everybody = pictures_under(real / "utk")
    strangers = replace(everybody, names=everybody.names[::24])
    faces, labels = people_in_folders(real / "lfw-dev", per_person=4, at_least=3)
    some = np.flatnonzero(labels % 4 == 0)
    known = replace(faces, names=[faces.names[n] for n in some.tolist()])
    ends, fit, judged = [], [], []
    for name, way in MODELS.items():
        model = opened_model(str(real / "models" / f"{name}.onnx"), preprocessing=way)
        with model.encoder as encoder:
            ends.append(End.of(encoder.contract))
            fit.append(embedded(strangers, encoder, ticker=None).embeddings)
            judged.append(embedded(known, encoder, ticker=None).embeddings)
    people = People(judged[0], judged[1], labels[some])
    old, new = ends
    fitted = fitted_bridge(old, new, Pairs([fit[0]], [fit[1]]))
    agreed = agreement(fitted.held_out, fitted.native, FMRS)
    evidence = labelled_evidence(fitted.bridge, people, FMRS, fmr=1e-3, dataset="lfw-dev")
    found = verdict(fitted.bridge, agreed, evidence, DEMANDS)
    assert evidence.points[0].old > 0.95
    assert evidence.points[0].new > 0.95, "fed as ImageNet's networks are"
    assert evidence.points[1].kept > 0.9
    assert found.decision.startswith("go")
    shuffled = fitted_bridge(old, new, Pairs([fit[0][::-1]], [fit[1]]))
    agreed = agreement(shuffled.held_out, shuffled.native, FMRS)
    assert verdict(shuffled.bridge, agreed, None, DEMANDS).decision == "no"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_networks_that_are_fed_wrongly_are_named(real: Path, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    faces.mkdir()
    for path in sorted((real / "utk").iterdir())[::39]:
        (faces / path.name).symlink_to(path)
    models = [str(real / "models" / f"{name}.onnx") for name in MODELS]
    command = [sys.executable, "-m", "embedge", "bridge", *models, "--faces", str(faces)]
    command += ["--out", str(tmp_path / "map"), "--plain", "--quiet", "--keep", "0.5"]
    right = ["--new-preprocessing", "rgb-imagenet"]
    for extra, words in (
        (["--old-preprocessing", "bgr-scaled", *right], "Add --old-preprocessing rgb-scaled"),
        ([], "Add --new-preprocessing rgb-imagenet"),
        (right, ""),
    ):
        done = subprocess.run([*command, *extra], capture_output=True, text=True)
        assert words in done.stderr
        assert (done.returncode == 2) is bool(words), done.stderr + done.stdout
