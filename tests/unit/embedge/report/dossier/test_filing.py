"""Every figure of a dossier against plain loops, and the fraud of a threshold from the test."""

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from enrolled_people import DIM, FMR, enrolled_people, people_in
from paper_oracle import crossed, impostor_interval, proportion
from PIL import Image
from tiny_bundles import tiny_contract

from embedge.calibration.evaluation.subjects import SET_ON, pixel_digest
from embedge.calibration.pairs import pairs_within
from embedge.calibration.people.splits import split_subjects
from embedge.calibration.protocols.folders import people_in_folders
from embedge.calibration.thresholds import threshold_at
from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.report.dossier.dossier import Dossier
from embedge.report.dossier.filing import Asked, filed, read_statement
from embedge.runtime import Artifact, write_bundle
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.picture.images import rgb_from_picture
from embedge.runtime.threshold import Threshold
from embedge.typed import Mistakes, plain, structured

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = enrolled_people(tmp_path_factory.mktemp("made"))
    kinds = "\n".join(f"p{n:03d}\t{'ab'[n % 2]}" for n in range(60))
    (folder / "groups.tsv").write_text(f"NAME\tkind\n{kinds}\n")
    return folder


@pytest.fixture(scope="module")
def both(made: Path) -> tuple[Dossier, np.ndarray, list[int]]:
    """The dossier, and the judged people's rows, embedded here."""
    groups = made / "groups.tsv"
    found = filed(Asked(str(made / "teacher.onnx"), made / "faces", groups, fmr=FMR), "", QUIET)
    rows, labels = embedded_here(made)
    judged = split_subjects(labels, 0)[1]
    return found, rows[judged], labels[judged].tolist()


def embedded_here(made: Path, model: str = "teacher.onnx") -> tuple[np.ndarray, np.ndarray]:
    faces, labels = people_in_folders(made / "faces", per_person=8, at_least=2)
    crops = np.stack([rgb_from_picture(made / "faces" / name) for name in faces.names])
    with OrtEncoder(made / model, threads=1) as encoder:
        raw = encoder.features(crops).astype(np.float64)
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32), labels


def split(rows: np.ndarray, labels: list[int]) -> tuple[list[float], list[tuple[int, float]]]:
    impostor, genuine = [], []
    for a, b in itertools.combinations(range(len(labels)), 2):
        cosine = float(np.dot(rows[a].astype(float), rows[b].astype(float)))
        if labels[a] == labels[b]:
            genuine.append((labels[a], cosine))
        else:
            impostor.append(cosine)
    return impostor, genuine


def test_the_rates_at_the_threshold(both) -> None:
    found, rows, labels = both
    at, limit = found.operation, found.operation.threshold.value
    impostor, genuine = split(rows, labels)
    wrong = sum(score > limit for score in impostor)
    marks = [(person, score <= limit) for person, score in genuine]
    assert (found.comparison.impostor, found.comparison.genuine) == (len(impostor), len(genuine))
    assert (at.false_matches, at.rejected) == (wrong, sum(bad for _, bad in marks))
    low, high, _ = impostor_interval(pairs_within(rows, labels), limit)
    told = (at.fmr.rate, at.fmr.low, at.fmr.high, at.fmr_upper)
    assert told == pytest.approx((wrong / len(impostor), low, high, high), abs=1e-12)
    rejected = proportion(marks)
    assert (at.fnmr.rate, at.fnmr.low, at.fnmr.high) == pytest.approx(rejected, abs=1e-12)
    nobody = proportion([(person, False) for person in np.repeat(range(60), 3).tolist()])
    fta = found.faces.fta
    assert (fta.rate, fta.low, fta.high) == pytest.approx(nobody, abs=1e-12)
    assert at.far == pytest.approx(wrong / len(impostor), abs=1e-12)
    assert at.frr == pytest.approx(rejected[0], abs=1e-12)
    assert at.frr_upper == pytest.approx(1 - (1 - nobody[2]) * (1 - rejected[2]), abs=1e-12)


def test_tar_and_equal_error_on_the_people_themselves(both) -> None:
    found, rows, labels = both
    impostor, genuine = split(rows, labels)
    impostor.sort(reverse=True)
    for point in found.comparison.tar:
        if point.tar is None:
            assert len(set(labels)) < point.needs
            continue
        limit = impostor[int(point.fmr * len(impostor))] + 1e-9
        accepted = sum(score > limit for _, score in genuine) / len(genuine)
        assert point.tar == pytest.approx(accepted, abs=1e-12)
    rates = []
    for limit in [*impostor, *(score for _, score in genuine)]:
        fmr = sum(score > limit + 1e-9 for score in impostor) / len(impostor)
        fnmr = sum(score <= limit + 1e-9 for _, score in genuine) / len(genuine)
        rates.append((abs(fmr - fnmr), (fmr + fnmr) / 2))
    assert found.comparison.eer is not None
    nearest = min(rates)[0]
    best = [rate for apart, rate in rates if apart < nearest + 1e-12]
    assert any(found.comparison.eer.rate == pytest.approx(rate, abs=1e-12) for rate in best)


def test_the_annex(both) -> None:
    found, rows, labels = both
    (annex,) = found.annex
    named = ["ab"[person % 2] for person in labels]
    limit = float(np.float32(found.operation.threshold.value))
    for cell in annex.crossed:
        told = crossed(rows, labels, named, cell.one, cell.other, limit)
        assert (cell.comparisons, cell.false_matches) == told[:2]
        assert cell.fmr is not None
        assert (cell.fmr.rate, cell.fmr.low, cell.fmr.high) == pytest.approx(told[2:], abs=1e-12)
    fmr = next(ratio for ratio in annex.worst if ratio.rate == "fmr")
    rates = sorted((g.fmr.rate, g.value) for g in annex.groups if g.fmr)
    assert (fmr.best, fmr.worst) == (rates[0][1], rates[-1][1])
    assert fmr.ratio == pytest.approx(rates[-1][0] / rates[0][0], abs=1e-12)


def test_the_checklist_says_what_is_missing(both) -> None:
    found, _, _ = both
    missing = {entry.item for entry in found.checklist if entry.status == "missing"}
    assert {"separation", "population", "tester"} <= missing
    assert not {"matching", "curve", "groups"} & missing


def test_what_only_the_tester_knows_is_taken_from_a_statement(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "statement.json"
    path.write_text(json.dumps({"tester": "the maker"}))
    found = filed(
        Asked(str(made / "teacher.onnx"), made / "faces", statement=path, fmr=FMR), "", QUIET
    )
    assert next(one for one in found.checklist if one.item == "tester").answer == "the maker"
    assert found.annex == ()


@pytest.mark.parametrize("text", ["[]", '{"colour": "red"}', '{"tester": 1}', "{"])
def test_a_statement_of_something_else(text: str, tmp_path: Path) -> None:
    (tmp_path / "statement.json").write_text(text)
    with pytest.raises(EmbedgeError, match="E-DOSSIER-STATEMENT"):
        read_statement(tmp_path / "statement.json")


def bundle_with(made: Path, folder: Path, threshold: Threshold) -> str:
    write_bundle(
        folder / "set.embedge",
        name="set",
        contract=tiny_contract(DIM),
        artifacts=[Artifact("fp32", "student.onnx", "fp32", 17, threshold)],
        files={"student.onnx": (made / "teacher.onnx").read_bytes()},
        provenance={},
        default_artifact="fp32",
    )
    return str(folder / "set.embedge")


def threshold_of(folder: Path, dataset: str) -> Threshold:
    rows, labels = embedded_here(
        folder, "../teacher.onnx" if folder.name == "other" else "teacher.onnx"
    )
    found = threshold_at(pairs_within(rows, labels), FMR, dataset=dataset, model="m")
    assert isinstance(found, Threshold)
    return found


def test_a_threshold_chosen_on_the_test_is_refused(made: Path, tmp_path: Path) -> None:
    chosen = threshold_of(made, "other people, they say")
    with pytest.raises(EmbedgeError, match=r"E-THRESHOLD-PEOPLE: the threshold .* was chosen on"):
        filed(Asked(bundle_with(made, tmp_path, chosen), made / "faces"), "", QUIET)


def test_a_threshold_that_names_these_pictures_is_refused(made: Path, tmp_path: Path) -> None:
    honest = filed(Asked(str(made / "teacher.onnx"), made / "faces", fmr=FMR), "", QUIET)
    named = replace(honest.operation.threshold, dataset=f"x {honest.faces.fingerprint[:12]}")
    with pytest.raises(EmbedgeError, match="E-THRESHOLD-PEOPLE"):
        filed(Asked(bundle_with(made, tmp_path, named), made / "faces"), "", QUIET)


def test_a_threshold_of_other_people_is_taken_and_everybody_judged(
    made: Path, tmp_path: Path
) -> None:
    people_in(tmp_path / "other" / "faces", seed=1)
    (tmp_path / "teacher.onnx").write_bytes((made / "teacher.onnx").read_bytes())
    threshold = threshold_of(tmp_path / "other", "others")
    found = filed(Asked(bundle_with(made, tmp_path, threshold), made / "faces"), "", QUIET)
    assert found.operation.threshold == threshold
    assert found.faces.people == 60
    assert "the bundle" in found.operation.threshold_from


def set_on(made: Path, folder: Path, people: list[str], threshold: Threshold) -> str:
    """The bundle with the digests of the pictures of those who set its threshold."""
    faces, _ = people_in_folders(made / "faces")
    theirs = [n for n, name in enumerate(faces.names) if name.split("/")[0] in people]
    write_bundle(
        folder / "known.embedge",
        name="known",
        contract=tiny_contract(DIM),
        artifacts=[Artifact("fp32", "student.onnx", "fp32", 17, threshold)],
        files={"student.onnx": (made / "teacher.onnx").read_bytes()},
        provenance={},
        default_artifact="fp32",
        extras={SET_ON: [pixel_digest(faces.read(number)) for number in theirs]},
    )
    return str(folder / "known.embedge")


def test_whoever_set_the_threshold_is_left_out_and_that_is_said(made: Path, tmp_path: Path) -> None:
    threshold = replace(threshold_of(made, "others"), subjects=20, impostors=99)
    some = [f"p{number:03d}" for number in range(20)]
    found = filed(Asked(set_on(made, tmp_path, some, threshold), made / "faces"), "", QUIET)
    assert (found.faces.people, found.comparison.subjects) == (40, 40)
    assert "20 of these people set it and are left out" in found.operation.threshold_from
    everybody = [f"p{number:03d}" for number in range(60)]
    (tmp_path / "all").mkdir()
    with pytest.raises(EmbedgeError, match="E-THRESHOLD-PEOPLE"):
        filed(
            Asked(set_on(made, tmp_path / "all", everybody, threshold), made / "faces"), "", QUIET
        )


def test_a_picture_saved_again_is_no_evidence(made: Path, tmp_path: Path) -> None:
    """The same photograph as a second file: TAR 100 % of nothing."""
    shutil.copytree(made / "faces", tmp_path / "faces")
    person = tmp_path / "faces" / "p000"
    first = sorted(person.iterdir())[0]
    Image.open(first).save(person / "again_9.jpg", quality=88)
    asked = Asked(str(made / "teacher.onnx"), tmp_path / "faces", fmr=FMR)
    with pytest.raises(EmbedgeError, match=r"E-PAPER-DATA: .*1 genuine comparison of one picture"):
        filed(asked, "", QUIET)
    (person / "again_9.jpg").rename(tmp_path / "faces" / "p001" / "again_9.jpg")
    with pytest.raises(EmbedgeError, match=r"E-PAPER-DATA: .*under two people"):
        filed(asked, "", QUIET)


def test_too_few_people_to_set_one(made: Path, tmp_path: Path) -> None:
    people_in(tmp_path / "few", people=6, each=20, noise=40)
    with pytest.raises(EmbedgeError, match="E-FEW-PEOPLE: 3 people are to set a threshold"):
        filed(Asked(str(made / "teacher.onnx"), tmp_path / "few", fmr=FMR), "", QUIET)


@pytest.mark.parametrize(
    ("place", "what"),
    [
        (("operation", "fmr", "rate"), "FMR does not follow"),
        (("operation", "rejected"), "FNMR does not follow"),
        (("operation", "frr"), "FRR does not follow"),
        (("operation", "fmr_upper"), "upper end of the FMR"),
        (("shaped", 0, "more_people"), "shaped verdict"),
    ],
)
def test_an_edited_figure_contradicts_the_others(both, place: tuple, what: str) -> None:
    value = json.loads(json.dumps(plain(both[0])))
    inside = value
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] += 1 if isinstance(inside[place[-1]], int) else 0.001
    with pytest.raises(Mistakes, match=what):
        structured(Dossier, value)
