"""A network somebody already had is held to the bounds that a recipe has."""

from dataclasses import replace

import numpy as np
from sample_report import sample_parity

from embedge.calibration.evaluation.integrity import DataFault
from embedge.pipeline.proving.bounds import Bounds, passing, proof_gates
from embedge.pipeline.proving.faults import faults_of, picture_digests
from embedge.pipeline.recipe import Gates
from embedge.train.data import FaceSet

BOUNDS = Bounds(fmr=0.01, threshold_fmr=0.01, whom="the network as it came", alone="fp32")


def test_what_nobody_stated_is_as_recipes_have_it() -> None:
    usual = Gates()
    assert BOUNDS.cosine_p1 == usual.cosine_p1
    assert (BOUNDS.tar_loss, BOUNDS.eer, BOUNDS.looser) == (usual.tar_loss, usual.eer, True)


def test_a_gate_says_whom_it_is_near_to_and_needs_no_teachers_gallery() -> None:
    gates = {gate.name: gate for gate in proof_gates(BOUNDS, sample_parity())}
    assert gates["fp16 parity"].what.startswith("cosine of fp16 to the network as it came")
    assert gates["equal error rate"].what == "equal error rate of fp32 alone, upper end"
    assert {"thresholds", "thresholds hold", "held-out people"} < set(gates)
    assert "no re-enrolment" not in gates


def test_a_looser_threshold_passes_only_where_it_may() -> None:
    strict = replace(BOUNDS, threshold_fmr=1e-3)
    told = {gate.name: gate for gate in proof_gates(strict, sample_parity())}
    assert told["thresholds"].passed
    held = {gate.name: gate for gate in proof_gates(replace(strict, looser=False), sample_parity())}
    assert not held["thresholds"].passed


def test_an_artifact_passes_by_the_gates_that_are_its_own_and_by_its_threshold() -> None:
    parity = sample_parity()

    def held(least: float) -> frozenset[str]:
        one = replace(BOUNDS, cosine_p1={"int8-cpu": least}, tar_loss=1.0, eer=0.0)
        return passing(one, parity)

    every = frozenset(parity.artifacts)
    assert held(0.5) == every
    assert held(1.1) == every - {"int8-cpu"}
    blind = replace(parity.artifacts["fp16"], threshold=None)
    parity = replace(parity, artifacts={**parity.artifacts, "fp16": blind})
    assert held(0.5) == every - {"fp16"}


def test_labels_that_a_poor_network_cannot_judge_are_not_said_to_be_looked_at() -> None:
    """What faults_of finds of rows that tell nobody apart, in the gate that tells of it."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 8, 8, 3)).astype(np.uint8)
    labels, names = np.repeat(np.arange(8), 3), tuple(f"p{n}" for n in range(8))
    faces = FaceSet("f", images, labels, names, "f" * 64)
    rows = np.full((24, 4), 0.5, np.float32)
    poor = tuple(faults_of(faces, picture_digests(faces), rows))

    def told(*faults: DataFault) -> str:
        gates = proof_gates(BOUNDS, replace(sample_parity(), findings=faults))
        return next(gate.what for gate in gates if gate.name == "held-out people")

    assert "copies, also those saved again, and shuffled labels were looked for" in told()
    assert "shuffled labels were not: the teacher tells people apart too poorly" in told(*poor)
