"""A converted network joins its bundle only where it agrees, with the float graph's thresholds."""

import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image
from small_face import small_bundle, smooth_pictures
from tiny_bundles import tiny_threshold

from embedge.cli.ship.export_target import _text
from embedge.errors import EmbedgeError
from embedge.export.targets import Converted
from embedge.pipeline.foreign.people import People, people_of
from embedge.pipeline.targets import into_bundle
from embedge.pipeline.targets.into_bundle import Precision, Target, target_into_bundle
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.encoders.bundled import encoder_from_bundle, importable
from embedge.runtime.matcher import FaceMatcher
from embedge.runtime.selftest import selftest
from embedge.runtime.selftest.selftest import golden_of, self_test

PICTURES = smooth_pictures(12)
TARGETS: tuple[Target, ...] = ("ncnn", "litert", "executorch")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return small_bundle(tmp_path)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    """Sixty people of two pictures, aligned."""
    root = tmp_path_factory.mktemp("faces")
    noise = np.random.default_rng(0)
    for number, face in enumerate(smooth_pictures(60, seed=3)):
        (root / f"p{number}").mkdir()
        for picture in "ab":
            seen = np.clip(face + noise.normal(0, 8, face.shape), 0, 255).astype(np.uint8)
            Image.fromarray(seen).save(root / f"p{number}" / f"{picture}.png")
    return people_of(root, most=200, count=16, seed=0)


@pytest.fixture
def golden_bundle(tmp_path: Path) -> Path:
    """It proves itself: three of the pictures, and what the float graph answers to them."""
    return small_bundle(tmp_path, golden=PICTURES[:3])


def require_here(target: Target) -> None:
    if not importable(target):
        pytest.skip(f"pip install 'embedge[{target}]'")


@pytest.mark.parametrize("target", TARGETS)
def test_it_runs_from_the_bundle_at_the_thresholds_of_its_graph(
    bundle: Path, target: Target
) -> None:
    require_here(target)
    precision: Precision = "fp32" if target == "executorch" else "fp16"
    name = f"{precision}-{target}"
    done = target_into_bundle(bundle, target, precision, PICTURES, seconds=0.2)
    assert done.parity.min > 0.999
    assert [row.artifact for row in done.latency.artifacts] == ["fp32", name]
    assert done.report.verdict.passed
    with Bundle.open(bundle) as opened:
        assert opened.default_artifact == "fp32"
        assert opened.artifact(name).threshold == tiny_threshold(0.4)
        assert opened.provenance["targets"][name]["of"] == "fp32"
        with encoder_from_bundle(opened, "fp32", threads=1) as known:
            expected = known.embed(PICTURES)
    with FaceMatcher.load(bundle, runtime=target, threads=1, aligned=True) as matcher:
        assert matcher.provider.lower().startswith(target)
        assert np.sum(matcher.embed(list(PICTURES)) * expected, axis=1).min() > 0.999


@pytest.mark.parametrize("target", TARGETS)
def test_int8_is_asked_for_its_own_answers(
    golden_bundle: Path, target: Target, people: People
) -> None:
    """The golden file learns them; the faults that it knew stay those of the float graph."""
    require_here(target)
    name = f"int8-{target}"
    target_into_bundle(golden_bundle, target, "int8", PICTURES, people=people, fmr=0.1, seconds=0.2)
    with Bundle.open(golden_bundle) as opened:
        golden = golden_of(opened)
        assert golden is not None
        assert sorted(golden.artifacts) == ["fp32", name]
        with encoder_from_bundle(opened, name, threads=1, selftest="off") as encoder:
            np.testing.assert_array_equal(golden.of(name).crops, encoder.embed(PICTURES[:3]))
            assert selftest.tested_encoder(encoder, golden, name).findings == ()
            swapped = self_test(lambda crops: encoder.embed(crops[..., ::-1]), golden, name)
    assert [finding.fault for finding in swapped.findings] == ["colour-order"]


@pytest.mark.parametrize("target", TARGETS)
def test_int8_has_a_threshold_of_its_own(bundle: Path, target: Target, people: People) -> None:
    """On people who did not calibrate it; and its parity is that of those who judge."""
    require_here(target)
    done = target_into_bundle(bundle, target, "int8", PICTURES, people=people, fmr=0.1, seconds=0.2)
    assert done.artifact.name == f"int8-{target}"
    assert done.parity.n == people.roles.judge.sum()
    assert 0.95 < done.parity.p1 < 0.99999
    threshold = done.artifact.threshold
    assert threshold is not None
    assert threshold.subjects == len(np.unique(people.faces.labels[people.roles.threshold]))
    assert threshold.model != tiny_threshold(0.4).model
    assert [row.shortage for row in done.report.artifacts] == [None]
    with FaceMatcher.load(bundle, f"int8-{target}", threads=1, aligned=True) as matcher:
        assert matcher.provider.lower().startswith(target)


def test_a_rate_that_too_few_people_carry_is_told(
    bundle: Path, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a converter that gives the graph back as it is."""
    target = cast("Target", "onnxruntime")
    same = (bundle / "student.fp32.onnx").read_bytes()
    made = Converted({".ncnn.onnx": same})
    monkeypatch.setitem(into_bundle._CONVERTERS, target, lambda *_: made)
    done = target_into_bundle(
        bundle, target, "int8", PICTURES, people=people, fmr=1e-9, seconds=0.2
    )
    (row,) = done.report.artifacts
    assert row.shortage is not None
    assert row.shortage.asked == 1e-9
    said = _text(done)
    assert (
        "NOTE  int8-onnxruntime: the threshold was to keep FMR 1e-09, which 20 people do not"
        in said
    )
    assert said.endswith("it is set for 0.05")


def test_int8_wants_people(bundle: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-TARGET-FACES"):
        target_into_bundle(bundle, "ncnn", "int8", PICTURES, seconds=0.2)


def test_executorch_has_no_half_precision(bundle: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-TARGET-PRECISION"):
        target_into_bundle(bundle, "executorch", "fp16", PICTURES, seconds=0.2)


def test_one_that_disagrees_is_not_added(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_here("ncnn")
    before = (bundle / "manifest.json").read_bytes()
    monkeypatch.setitem(into_bundle.BOUNDS, "fp32", 1.5)
    with pytest.raises(EmbedgeError, match="E-TARGET-PARITY"):
        target_into_bundle(bundle, "ncnn", "fp32", PICTURES, seconds=0.2)
    assert (bundle / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("target", TARGETS)
def test_a_missing_package_is_told_with_its_extra(
    bundle: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ncnn", "pnnx", "ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    for module in ("executorch", "executorch.exir"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EmbedgeError, match=f"E-EXTRA.*embedge.{target}"):
        target_into_bundle(bundle, target, "fp32", PICTURES, seconds=0.2)


def test_a_bundle_that_is_not_there_is_no_zip(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-BUNDLE-MISSING"):
        target_into_bundle(tmp_path / "nope.embedge", "ncnn", "fp16", PICTURES, seconds=0.2)


def test_a_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-BUNDLE-ZIP"):
        target_into_bundle(tmp_path / "b.zip", "ncnn", "fp32", PICTURES, seconds=0.2)
