"""embedge certify: what it writes, what it refuses, and frauds that end in one or the other."""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from enrolled_people import (
    FMR,
    enrolled_people,
    people_in,
    student_bundle,
    teacher_onnx,
    without_metadata,
)

from embedge.calibration.evaluation.figures import Rate
from embedge.cli import main
from embedge.errors import EmbedgeError
from embedge.files import sha256_file, sha256_json
from embedge.report.certificate.certificate import Certificate, verdict_of
from embedge.report.papers.paper import paper_from_bytes, sign_paper
from embedge.runtime.bundle.signing_keys import new_signing_key

Told = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enrolled_people(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def signed(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that was signed with `vendor.pem`."""
    folder = tmp_path_factory.mktemp("signed")
    new_signing_key(folder / "vendor.pem")
    assert certify(made, "--out", str(folder), "--key", str(folder / "vendor.pem")) == 0
    return folder


def certify(made: Path, *arguments: str, **files: Path) -> int:
    bundle, faces = files.get("bundle", made / "door.embedge"), files.get("faces", made / "faces")
    old = files.get("old", made / "teacher.onnx")
    claim = [] if "--check" in arguments else ["--fmr", str(FMR), "--margin", "0.2"]
    asked = ["certify", str(bundle), str(faces), "--old", str(old), "--threads", "1"]
    return main([*asked, *claim, *arguments])


def read(folder: Path) -> Certificate:
    return paper_from_bytes(Certificate, (folder / "certificate.json").read_bytes())


def edited(signed: Path, folder: Path, place: tuple[str, ...], value: object) -> Path:
    """The certificate with one value changed, its signature left beside it."""
    told = json.loads((signed / "certificate.json").read_text())
    inside = told
    for name in place[:-1]:
        inside = inside[int(name) if name.isdigit() else name]
    inside[place[-1]] = value
    path = folder / "certificate.json"
    path.write_text(json.dumps(told, indent=2) + "\n")
    shutil.copy(signed / "certificate.json.ed25519", folder)
    return path


def test_a_certificate_states_the_claim_and_what_stands_behind_it(signed: Path) -> None:
    found = read(signed)
    assert found.verdict.passed
    assert [one.side.artifact for one in found.artifacts] == ["fp32", "fp16", "int8"]
    assert (found.claim.fmr, found.claim.margin) == (FMR, 0.2)
    assert (found.faces.threshold_people, found.faces.judged_people) == (30, 30)
    assert found.faces.trained_on == "not checked"
    page = (signed / "certificate.html").read_text()
    assert sha256_file(signed / "certificate.json") in page
    assert "not checked: no list was given" in page
    losing = max(one.backward.flips.people_losing for one in found.artifacts)
    assert f"{losing} of 30 people lose a comparison that teacher accepts" in page
    assert "no certification by anybody" in page


def test_it_is_measured_again_by_whoever_trusts_the_key(
    made: Path, signed: Path, capsys: Told
) -> None:
    trust = ["--trust", str(signed / "vendor.pem.pub")]
    assert certify(made, "--check", str(signed / "certificate.json"), *trust) == 0
    assert "every figure of" in capsys.readouterr().out


def test_one_artifact_against_keeping_the_old_model(made: Path, tmp_path: Path) -> None:
    chosen = ["--artifacts", "int8", "--criterion", "backward"]
    certify(made, "--out", str(tmp_path), *chosen, "--trained-on", str(_list(tmp_path, "p900")))
    found = read(tmp_path)
    assert [str(one.side) for one in found.artifacts] == ["door int8"]
    assert "less that of teacher" in found.verdict.gates[0].what
    assert found.faces.trained_on == "checked"


def test_a_claim_that_is_not_shown_is_written_down_and_exits_with_3(
    made: Path, tmp_path: Path, capsys: Told
) -> None:
    assert certify(made, "--out", str(tmp_path), "--margin", "0") == 3
    assert "The claim is NOT shown" in capsys.readouterr().out
    assert not read(tmp_path).verdict.passed


def test_artifacts_of_one_contract_are_not_taken_for_one_another_in_a_cache(
    made: Path, tmp_path: Path
) -> None:
    certify(made, "--out", str(tmp_path / "a"))
    certify(made, "--out", str(tmp_path / "b"), "--cache", str(tmp_path / "cache"))
    assert read(tmp_path / "b").artifacts == read(tmp_path / "a").artifacts
    assert len({one.alone.threshold.value for one in read(tmp_path / "b").artifacts}) == 3


class TestFrauds:
    """Each is seeded: made on purpose, and caught."""

    def test_people_trained_on_are_in_the_test(
        self, made: Path, tmp_path: Path, capsys: Told
    ) -> None:
        leaked = _list(tmp_path, "nobody", "p003", "p017")
        assert certify(made, "--out", str(tmp_path), "--trained-on", str(leaked)) == 2
        said = capsys.readouterr().err
        assert "E-PAPER-DATA" in said
        assert "2 people of the test were trained or calibrated on (p003, p017)" in said
        assert not (tmp_path / "certificate.json").exists()

    @pytest.mark.parametrize("owner", ["p005", "p006"])
    def test_a_picture_is_there_twice(
        self, made: Path, owner: str, tmp_path: Path, capsys: Told
    ) -> None:
        faces = Path(shutil.copytree(made / "faces", tmp_path / "faces"))
        shutil.copy(faces / "p005" / "p005_1.png", faces / owner / "copy_9.png")
        assert certify(made, "--out", str(tmp_path / "out"), faces=faces) == 2
        assert "E-PAPER-DATA" in capsys.readouterr().err

    def test_labels_were_shuffled(self, made: Path, tmp_path: Path, capsys: Told) -> None:
        faces = Path(shutil.copytree(made / "faces", tmp_path / "faces"))
        pictures = sorted(faces.glob("*/*.png"))
        data = [path.read_bytes() for path in pictures]
        for place, owner in enumerate(np.random.default_rng(0).permutation(len(pictures))):
            pictures[place].write_bytes(data[owner])
        assert certify(made, "--out", str(tmp_path / "out"), faces=faces) == 2
        assert "shuffled" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            (("artifacts", "0", "cross", "tar", "rate"), 0.999),
            (("artifacts", "1", "asymmetric", "difference", "low"), 0.01),
            (("artifacts", "2", "backward", "flips", "people_losing"), 0),
            (("verdict", "gates", "0", "value"), 0.5),
            (("claim", "margin"), 0.5),
            (("faces", "judged_people"), 500),
            (("paragon", "threshold", "subjects"), 500),
        ],
    )
    def test_an_edited_figure_contradicts_the_rest(
        self,
        made: Path,
        signed: Path,
        place: tuple[str, ...],
        value: object,
        tmp_path: Path,
        capsys: Told,
    ) -> None:
        path = edited(signed, tmp_path, place, value)
        assert certify(made, "--check", str(path)) == 2
        assert "E-PAPER" in capsys.readouterr().err

    def test_an_edit_that_contradicts_nothing_breaks_the_signature(
        self, made: Path, signed: Path, tmp_path: Path, capsys: Told
    ) -> None:
        path = edited(signed, tmp_path, ("paragon", "tar", "low"), 0.97)
        trust = ["--trust", str(signed / "vendor.pem.pub")]
        assert certify(made, "--check", str(path), *trust) == 2
        assert "E-SIGNATURE" in capsys.readouterr().err

    def test_and_without_a_signature_it_is_not_what_is_measured_again(
        self, made: Path, signed: Path, tmp_path: Path, capsys: Told
    ) -> None:
        path = edited(signed, tmp_path, ("paragon", "tar", "low"), 0.96)
        assert certify(made, "--check", str(path)) == 2
        said = capsys.readouterr().err
        assert "E-PAPER-DIFFERS" in said
        assert "paragon.tar.low" in said

    def test_an_edited_page_beside_figures_that_hold(
        self, made: Path, signed: Path, tmp_path: Path, capsys: Told
    ) -> None:
        copy = Path(shutil.copytree(signed, tmp_path / "copy"))
        page = copy / "certificate.html"
        page.write_text(page.read_text().replace("30 people judged", "3,000 people judged"))
        trust = ["--trust", str(signed / "vendor.pem.pub")]
        assert certify(made, "--check", str(copy / "certificate.json"), *trust) == 2
        assert "E-PAPER-PAGE" in capsys.readouterr().err

    def test_only_the_good_artifact_by_a_lucky_seed(
        self, made: Path, tmp_path: Path, capsys: Told
    ) -> None:
        """It is certified, of that artifact, and both are said."""
        certify(made, "--out", str(tmp_path), "--artifacts", "fp16", "--seed", "7")
        assert "not looked at: fp32, int8" in capsys.readouterr().out
        assert read(tmp_path).parties.left_out == ("fp32", "int8")
        page = (tmp_path / "certificate.html").read_text()
        assert "may be compared by door fp16 without enrolling again" in page
        assert "Not looked at of this bundle: fp32, int8." in page
        assert "drawn with seed 7, which was asked for" in page

    def test_another_bundle_is_not_the_one_of_the_certificate(
        self, made: Path, signed: Path, tmp_path: Path, capsys: Told
    ) -> None:
        other = student_bundle(tmp_path / "door.embedge", away=0.11)
        assert certify(made, "--check", str(signed / "certificate.json"), bundle=other) == 2
        assert "E-PAPER-DIFFERS" in capsys.readouterr().err

    def test_signed_with_a_key_that_was_made_for_it(
        self, made: Path, signed: Path, tmp_path: Path, capsys: Told
    ) -> None:
        copy = Path(shutil.copytree(signed, tmp_path / "copy"))
        new_signing_key(tmp_path / "mine.pem")
        sign_paper(copy / "certificate.json", tmp_path / "mine.pem")
        trust = ["--trust", str(signed / "vendor.pem.pub")]
        assert certify(made, "--check", str(copy / "certificate.json"), *trust) == 2
        assert "E-SIGNATURE" in capsys.readouterr().err

    def test_edited_embeddings_are_not_what_is_measured_again(
        self, made: Path, tmp_path: Path, capsys: Told
    ) -> None:
        """The cache is the forger's: every picture of a person gets one and the same embedding."""
        cache, out = tmp_path / "cache", tmp_path / "out"
        certify(made, "--out", str(out), "--cache", str(cache))
        for chunk in cache.rglob("*.npz"):
            stored = dict(np.load(chunk))
            stored["rows"] = stored["rows"][np.arange(len(stored["rows"])) // 3 * 3]
            np.savez(chunk, **stored)
        assert certify(made, "--out", str(out), "--cache", str(cache), "--margin", "0.15") == 0
        assert read(out).paragon.tar.rate == 1
        again = ["--check", str(out / "certificate.json"), "--cache", str(cache)]
        assert certify(made, *again) == 2
        assert "E-PAPER-DIFFERS" in capsys.readouterr().err

    def test_a_student_of_another_teacher_that_states_this_space_fails(
        self, made: Path, tmp_path: Path
    ) -> None:
        bundle = student_bundle(tmp_path / "other.embedge", seed=9)
        assert certify(made, "--out", str(tmp_path), bundle=bundle) == 3
        (first, *_) = read(tmp_path).artifacts
        assert first.alone.tar.rate > 0.5
        assert first.cross.tar.rate < 0.3

    def test_an_old_model_of_another_space_is_refused(
        self, made: Path, tmp_path: Path, capsys: Told
    ) -> None:
        old = teacher_onnx(tmp_path / "other.onnx", space="elsewhere")
        assert certify(made, "--out", str(tmp_path), old=old) == 2
        assert "E-SPACE" in capsys.readouterr().err

    def test_a_file_that_the_bundle_does_not_name_is_not_its_teacher(
        self, made: Path, tmp_path: Path, capsys: Told
    ) -> None:
        old = without_metadata(teacher_onnx(tmp_path / "foreign.onnx"))
        assert certify(made, "--out", str(tmp_path), old=old) == 2
        assert "E-CERTIFY-TEACHER" in capsys.readouterr().err
        digest = sha256_json({"file": sha256_file(old), "preprocessing": "rgb-scaled"})
        bundle = student_bundle(tmp_path / "named.embedge", provenance={"teacher_digest": digest})
        assert certify(made, "--out", str(tmp_path), old=old, bundle=bundle) == 0
        assert "names this very file as its teacher" in read(tmp_path).parties.old_contract_from

    def test_too_few_people_however_many_pictures(
        self, made: Path, tmp_path: Path, capsys: Told
    ) -> None:
        faces = people_in(tmp_path / "few", people=6, each=30, noise=40)
        many = ["--per-person", "30"]
        assert certify(made, "--out", str(tmp_path / "out"), *many, faces=faces) == 2
        assert "E-FEW-PEOPLE: 3 people are to set a threshold" in capsys.readouterr().err


def _list(folder: Path, *names: str) -> Path:
    path = folder / "trained.txt"
    path.write_text("\n".join(names) + "\n")
    return path


def test_an_fmr_that_no_door_could_live_with_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        certify(made, "--out", str(tmp_path), "--fmr", "0.99")


def test_a_certificate_asks_that_people_are_told_apart(signed: Path) -> None:
    """Whatever the margin: a network that accepts strangers as readily certifies nothing."""
    found = read(signed)
    poor = replace(found.artifacts[0].cross, tar=Rate(found.artifacts[0].cross.tar.rate, 0, 1))
    one = replace(found.artifacts[0])
    object.__setattr__(one, "cross", poor)
    (gate,) = [
        gate
        for gate in verdict_of(replace(found.claim, margin=0.99), (one,)).gates
        if gate.name == f"tells people apart: {one.side}"
    ]
    assert gate.outcome == "failed"


@pytest.mark.parametrize(
    "text", ["I met everybody", "{}", '{"schema": "embedge.certificate/1"}', '{"schema": 5}']
)
def test_only_a_sound_document_is_signed(signed: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "document.json"
    file.write_text(text)
    with pytest.raises(EmbedgeError, match="E-PAPER: this is no"):
        run_sign(file, signed / "vendor.pem")
    assert not file.with_name("document.json.ed25519").exists()
    file.write_bytes((signed / "certificate.json").read_bytes())
    run_sign(file, signed / "vendor.pem")


def run_sign(file: Path, key: Path) -> None:
    from embedge.cli.ship import sign

    parser = argparse.ArgumentParser()
    sign.configure(parser)
    sign.run(parser.parse_args(["document", str(file), "--key", str(key)]))
