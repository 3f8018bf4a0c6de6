"""Every figure of a dossier against plain loops, and the fraud of a threshold from the test."""

import itertools
import json
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dossier_oracle import filed as oracle_of
from dossier_oracle import findings, set_on
from enrolled_people import DIM, FMR, enrolled_people, people_in
from orders import dossier_order
from paper_oracle import figures, proportion
from PIL import Image
from tiny_bundles import tiny_contract

from embedge.calibration.evaluation.embed import Embedded
from embedge.calibration.evaluation.subjects import SET_ON, pixel_digest
from embedge.calibration.pairs import pairs_within
from embedge.calibration.protocols.folders import people_in_folders
from embedge.calibration.thresholds import threshold_at
from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.report.dossier import filing
from embedge.report.dossier.dossier import Dossier
from embedge.report.dossier.filing import filed, read_statement, require_other_people
from embedge.report.dossier.page import dossier_page
from embedge.report.dossier.sentences import retold
from embedge.report.papers.again import measured_again
from embedge.report.papers.faces import embed_all
from embedge.runtime import Artifact, write_bundle
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.picture.images import rgb_from_picture
from embedge.runtime.threshold import Threshold
from embedge.typed import Mistakes, plain, structured

QUIET = Progress(quiet=True)
SINGLE = 1e-6  # a threshold is a score, in single precision
SCORE = re.compile(r"threshold(\.value)?(\[\d+\])?$")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = enrolled_people(tmp_path_factory.mktemp("made"))
    kinds = "\n".join(f"p{n:03d}\t{'ab'[n % 2]}" for n in range(60))
    (folder / "groups.tsv").write_text(f"NAME\tkind\n{kinds}\n")
    return folder


@pytest.fixture(scope="module")
def spoilt(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same people; one picture of seven of them cannot be read."""
    folder = tmp_path_factory.mktemp("spoilt")
    shutil.copytree(made, folder, dirs_exist_ok=True)
    for person in range(0, 60, 9):
        (folder / "faces" / f"p{person:03d}" / f"p{person:03d}_1.png").write_bytes(
            b"broken %d" % person
        )
    return folder


@pytest.fixture(scope="module")
def both(spoilt: Path) -> tuple[Dossier, dict]:
    """What is stated, and beside it what plain loops find."""
    groups = spoilt / "groups.tsv"
    asked = dossier_order(str(spoilt / "teacher.onnx"), spoilt / "faces", groups, fmr=FMR)
    rows, labels, tried = embedded_here(spoilt)
    drawn = np.random.default_rng(0).permutation(60)
    first = np.isin(labels, drawn[:30])
    others, judged = labels[first].tolist(), labels[~first].tolist()
    threshold = set_on(rows[first], others, FMR)
    named = ["ab"[person % 2] for person in judged]
    told = oracle_of(rows[~first], judged, tried, threshold, named)
    told["faces"]["findings"] = findings(rows, labels.tolist())
    return filed(asked, "", QUIET), told


def embedded_here(
    made: Path, model: str = "teacher.onnx"
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, bool]]]:
    """Rows, whose they are, and of every picture whose it is and whether it cannot be read."""
    crops, labels, tried = [], [], []
    for number, person in enumerate(sorted((made / "faces").iterdir())):
        for path in sorted(person.iterdir()):
            tried.append((number, path.read_bytes().startswith(b"broken")))
            if not tried[-1][1]:
                crops.append(rgb_from_picture(path))
                labels.append(number)
    with OrtEncoder(made / model, threads=1) as encoder:
        raw = encoder.features(np.stack(crops)).astype(np.float64)
    rows = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    return rows, np.array(labels), tried


def test_every_figure_and_none_left_out(both: tuple[Dossier, dict]) -> None:
    stated, oracle = (dict(figures(one)) for one in (plain(both[0]), both[1]))
    asked = {"faces.per_person", "faces.seed"}
    assert stated.keys() - asked == oracle.keys()
    assert len(oracle) > 900
    for place, value in oracle.items():
        near = SINGLE if SCORE.search(place) else 1e-12
        assert stated[place] == pytest.approx(value, abs=near), place


def test_the_checklist_says_what_is_missing(both: tuple[Dossier, dict]) -> None:
    found, _ = both
    missing = {entry.item for entry in found.checklist if entry.status == "missing"}
    assert {"separation", "population", "tester"} <= missing
    assert not {"matching", "curve", "groups"} & missing


def test_what_only_the_tester_knows_is_taken_from_a_statement(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "statement.json"
    path.write_text(json.dumps({"tester": "the maker"}))
    found = filed(
        dossier_order(str(made / "teacher.onnx"), made / "faces", statement=path, fmr=FMR),
        "",
        QUIET,
    )
    assert next(one for one in found.checklist if one.item == "tester").answer == "the maker"
    assert found.annex == ()


def test_people_in_no_group_and_groups_too_small_are_told(made: Path, tmp_path: Path) -> None:
    lines = (made / "groups.tsv").read_text().splitlines()
    (tmp_path / "some.tsv").write_text("\n".join(lines[:40]))
    asked = dossier_order(
        str(made / "teacher.onnx"), made / "faces", tmp_path / "some.tsv", fmr=FMR
    )
    found = filed(asked, "", QUIET)
    (annex,) = found.annex
    assert annex.ungrouped is not None
    assert annex.ungrouped.people > 0
    entry = next(one for one in found.checklist if one.item == "groups")
    assert (entry.status, entry.answer) == ("partly", f"kind ({annex.ungrouped.words})")
    page = dossier_page(found)
    assert annex.ungrouped.words in page
    assert any(group.needs_people for group in annex.groups)
    assert "too few people to say whether the groups differ" in page
    assert "chance explains" not in page
    edited = plain(found)
    edited["annex"][0]["ungrouped"] = None
    with pytest.raises(Mistakes, match="pictures are in no group of kind"):
        structured(Dossier, edited)


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
    model = "../teacher.onnx" if folder.name == "other" else "teacher.onnx"
    rows, labels, _ = embedded_here(folder, model)
    found = threshold_at(pairs_within(rows, labels), FMR, dataset=dataset, model="m")
    assert isinstance(found, Threshold)
    return found


@pytest.fixture(scope="module")
def twice(made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dossier, Dossier]:
    """On another processor, whose last digits differ: a threshold lies on one of the scores."""
    rows, labels, _ = embedded_here(made)
    on_a_score = float(pairs_within(rows, labels).tail[-40])
    threshold = replace(threshold_of(made, "others"), value=on_a_score, subjects=77)
    bundle = bundle_with(made, tmp_path_factory.mktemp("on"), threshold)
    asked = dossier_order(bundle, made / "faces", made / "groups.tsv")
    stated = filed(asked, "", QUIET)
    with pytest.MonkeyPatch.context() as patch:
        for seed in range(9):
            patch.setattr(filing, "embed_all", partial(shaken, seed))
            measured = filed(asked, "", QUIET)
            if measured.operation.false_matches != stated.operation.false_matches:
                return stated, measured
    raise AssertionError("nothing turned")


class TestMeasuredAgain:
    def test_decisions_that_turned_are_told_and_nothing_differs(
        self, twice: tuple[Dossier, Dossier]
    ) -> None:
        stated, measured = twice
        found = measured_again(stated, retold(stated, measured))
        assert found.differing == []
        assert any(one.startswith("operation.false_matches") for one in found.turned)
        assert stated.checklist != measured.checklist

    def test_a_sentence_that_says_other_figures_is_an_edit(
        self, twice: tuple[Dossier, Dossier]
    ) -> None:
        stated, measured = twice
        place, entry = next(
            (number, one) for number, one in enumerate(stated.checklist) if one.item == "matching"
        )
        lines = list(stated.checklist)
        lines[place] = replace(entry, answer="0 false matches, 0 false non-matches")
        edited = replace(stated, checklist=tuple(lines))
        found = measured_again(edited, retold(edited, measured))
        assert found.differing == [f"checklist[{place}].answer"]

    def test_a_worst_group_that_its_groups_do_not_have_is_refused(
        self, twice: tuple[Dossier, Dossier]
    ) -> None:
        value = json.loads(json.dumps(plain(twice[0])))
        value["annex"][0]["worst"][0]["ratio"] = 1.0
        with pytest.raises(Mistakes, match="worst FMR of kind is not that of its groups"):
            structured(Dossier, value)


def shaken(seed: int, *asked: Any) -> list[Embedded]:
    """As another processor embeds: the same but for the last digits."""
    random, found = np.random.default_rng(seed), []
    for view in embed_all(*asked):
        rows = view.embeddings + 2e-7 * random.normal(size=view.embeddings.shape)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        found.append(replace(view, embeddings=rows.astype(np.float32)))
    return found


def test_a_threshold_chosen_on_the_test_is_refused(made: Path, tmp_path: Path) -> None:
    chosen = threshold_of(made, "other people, they say")
    with pytest.raises(EmbedgeError, match=r"E-THRESHOLD-PEOPLE: the threshold .* was chosen on"):
        filed(dossier_order(bundle_with(made, tmp_path, chosen), made / "faces"), "", QUIET)


def test_other_people_who_are_as_many_are_not_taken_for_those_who_set_it(made: Path) -> None:
    """Equal counts prove nothing, least of all no false match at all; its own people are known."""
    rows, labels, _ = embedded_here(made)
    scores = pairs_within(rows, labels)
    highest = float(scores.tail[-1])
    chosen = threshold_of(made, "others")
    require_other_people(replace(chosen, value=highest + 0.01, fmr=0.0), scores, "f" * 64)
    with pytest.raises(EmbedgeError, match="E-THRESHOLD-PEOPLE"):
        require_other_people(replace(chosen, value=highest, fmr=0.0), scores, "f" * 64)
    for apart in (-1e-6, 0, 1e-6):  # embedded on another processor
        near = replace(chosen, value=chosen.value + apart)
        with pytest.raises(EmbedgeError, match="E-THRESHOLD-PEOPLE"):
            require_other_people(near, scores, "f" * 64)
        require_other_people(near, scores, "f" * 64, told=True)


def test_one_readable_picture_of_each_person_judges_nobody(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "faces", tmp_path / "faces")
    for person in (tmp_path / "faces").iterdir():
        for number, path in enumerate(sorted(person.iterdir())[1:]):
            path.write_bytes(f"broken {person.name} {number}".encode())
    bundle = bundle_with(made, tmp_path, replace(threshold_of(made, "others"), subjects=77))
    for model in (str(made / "teacher.onnx"), bundle):
        with pytest.raises(EmbedgeError, match=r"E-FEW-PEOPLE: .*none of them has two readable"):
            filed(dossier_order(model, tmp_path / "faces", fmr=FMR), "", QUIET)


def test_a_threshold_that_names_these_pictures_is_refused(made: Path, tmp_path: Path) -> None:
    honest = filed(dossier_order(str(made / "teacher.onnx"), made / "faces", fmr=FMR), "", QUIET)
    named = replace(honest.operation.threshold, dataset=f"x {honest.faces.fingerprint[:12]}")
    with pytest.raises(EmbedgeError, match="E-THRESHOLD-PEOPLE"):
        filed(dossier_order(bundle_with(made, tmp_path, named), made / "faces"), "", QUIET)


def test_a_threshold_of_other_people_is_taken_and_everybody_judged(
    made: Path, tmp_path: Path
) -> None:
    people_in(tmp_path / "other" / "faces", seed=1)
    (tmp_path / "teacher.onnx").write_bytes((made / "teacher.onnx").read_bytes())
    threshold = threshold_of(tmp_path / "other", "others")
    found = filed(dossier_order(bundle_with(made, tmp_path, threshold), made / "faces"), "", QUIET)
    assert found.operation.threshold == threshold
    assert found.faces.people == 60
    assert "the bundle" in found.operation.threshold_from


def known_by(made: Path, folder: Path, people: list[str], threshold: Threshold) -> str:
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
    found = filed(
        dossier_order(known_by(made, tmp_path, some, threshold), made / "faces"), "", QUIET
    )
    assert (found.faces.people, found.comparison.subjects) == (40, 40)
    assert "20 of these people set it and are left out" in found.operation.threshold_from
    everybody = [f"p{number:03d}" for number in range(60)]
    (tmp_path / "all").mkdir()
    with pytest.raises(EmbedgeError, match="E-THRESHOLD-PEOPLE"):
        filed(
            dossier_order(known_by(made, tmp_path / "all", everybody, threshold), made / "faces"),
            "",
            QUIET,
        )


def test_a_bundle_that_names_those_who_fail_does_not_hide_them(made: Path, tmp_path: Path) -> None:
    """They are left out, as it asks; how they would fare stands beside the figures."""
    threshold = replace(threshold_of(made, "others"), subjects=20, impostors=99)
    rows, labels, _ = embedded_here(made)
    wrong: dict[int, list[bool]] = {}
    for a, b in itertools.combinations(range(len(labels)), 2):
        if labels[a] == labels[b]:
            rejected = float(rows[a].astype(float) @ rows[b].astype(float)) <= threshold.value
            wrong.setdefault(int(labels[a]), []).append(rejected)
    fail = [person for person, marks in wrong.items() if any(marks)]
    names = [f"p{person:03d}" for person in fail]
    found = filed(
        dossier_order(known_by(made, tmp_path, names, threshold), made / "faces"), "", QUIET
    )
    told = found.operation.left_out
    assert (found.operation.rejected, told.people) == (0, len(fail))
    marks = [(person, bad) for person in fail for bad in wrong[person]]
    rate = proportion(marks)
    assert (told.fnmr.rate, told.fnmr.low, told.fnmr.high) == pytest.approx(rate, abs=1e-12)
    assert (told.genuine, told.rejected) == (len(marks), sum(bad for _, bad in marks))
    page = dossier_page(found)
    assert f"{len(fail)} people are left out because the bundle says that they set" in page
    assert f"rejected in {told.rejected} of {told.genuine} comparisons" in page


def test_a_picture_saved_again_is_no_evidence(made: Path, tmp_path: Path) -> None:
    """The same photograph as a second file: TAR 100 % of nothing."""
    shutil.copytree(made / "faces", tmp_path / "faces")
    person = tmp_path / "faces" / "p000"
    first = sorted(person.iterdir())[0]
    Image.open(first).save(person / "again_9.jpg", quality=88)
    asked = dossier_order(str(made / "teacher.onnx"), tmp_path / "faces", fmr=FMR)
    with pytest.raises(EmbedgeError, match=r"E-PAPER-DATA: .*1 genuine comparison of one picture"):
        filed(asked, "", QUIET)
    (person / "again_9.jpg").rename(tmp_path / "faces" / "p001" / "again_9.jpg")
    with pytest.raises(EmbedgeError, match=r"E-PAPER-DATA: .*under two people"):
        filed(asked, "", QUIET)


def test_too_few_people_to_set_one(made: Path, tmp_path: Path) -> None:
    people_in(tmp_path / "few", people=6, each=20, noise=40)
    with pytest.raises(EmbedgeError, match="E-FEW-PEOPLE: 3 people are to set a threshold"):
        filed(dossier_order(str(made / "teacher.onnx"), tmp_path / "few", fmr=FMR), "", QUIET)


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
def test_an_edited_figure_contradicts_the_others(
    both: tuple[Dossier, dict], place: tuple, what: str
) -> None:
    value = json.loads(json.dumps(plain(both[0])))
    inside = value
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] += 1 if isinstance(inside[place[-1]], int) else 0.001
    with pytest.raises(Mistakes, match=what):
        structured(Dossier, value)
