"""embedge evaluate, as a user calls it, on small made-up people."""

import json
import pickle
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from called import called, started
from enrolled_people import student_bundle
from noisy_people import noisy_people, picture
from PIL import Image
from tiny_bundles import tiny_bundle, tiny_contract, tiny_onnx
from tiny_ijb import tiny_ijb

from embedge.calibration.evaluation.figures import Key, Side
from embedge.calibration.trials.result import EvaluationResult
from embedge.report.model import Report
from embedge.typed import structured

PEOPLE, EACH = 12, 4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People whose pictures are one face under noise, two models, a bundle, a pair list."""
    folder = tmp_path_factory.mktemp("evaluate")
    noisy_people(folder / "faces", PEOPLE, EACH)
    (folder / "known.onnx").write_bytes(tiny_onnx(tiny_contract(64)))
    stranger = tiny_contract(64, space="elsewhere")
    (folder / "stranger.onnx").write_bytes(tiny_onnx(stranger, seed=1))
    tiny_bundle(folder / "tiny.embedge")
    (folder / "pairs.tsv").write_text("# fold a b same\n" + "\n".join(pair_lines()) + "\n")
    return folder


def pair_lines() -> list[str]:
    lines = []
    for person in range(PEOPLE):
        fold, other = person // 4, person // 4 * 4 + (person + 1) % 4
        lines.append(f"{fold}\t{picture(person, 1)}\t{picture(person, 2)}\t1")
        lines.append(f"{fold}\t{picture(person, 3)}\t{picture(other, 3)}\t0")
    return lines


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def embedge(place: Path, *arguments: str) -> CompletedProcess:
    return called("evaluate", *arguments, cwd=place)


def test_all_pairs_for_people(made: Path) -> None:
    words = ("evaluate", "--models", "known.onnx", "--all-pairs", "--root", "faces")
    done = started(*words, cwd=made)
    assert done.returncode == 0, done.stderr
    assert "all pairs: 48 pictures of 12 people" in done.stdout
    assert "72 genuine, 1,056 impostor" in done.stdout
    assert "the model's own metadata" in done.stdout
    assert "TAR@1e-04  insufficient data: FMR 0.0001 needs " in done.stdout
    assert " people; there are 12" in done.stdout


def test_all_pairs_as_json_with_several_models_and_a_cap(made: Path) -> None:
    done = embedge(
        made,
        *("--models", "known.onnx", "tiny.embedge"),
        *("--all-pairs", "--per-person", "3", "--root", "faces", "--json"),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert structured(EvaluationResult, result).models[1].side == Side("tiny", "fp32")
    assert result["data"]["images"] == 36
    first, second = result["models"]
    assert second["contract_from"] == "the bundle's manifest"
    assert first["threshold"] is None
    found = second["result"]["comparison"]
    assert second["threshold"]["value"] == found["at_threshold"]["threshold"] == 0.3
    found = first["result"]["comparison"]
    assert found["genuine"] == 36
    assert found["eer"]["rate"] == 0
    assert {point["tar"] for point in found["tar"]} == {None}
    assert (found["tar"][1]["have"], found["tar"][1]["of"]) == (12, "people")
    assert found["tar"][1]["needs"] >= 78


def test_two_files_of_one_name_are_told_apart(place: Path) -> None:
    (place / "other").mkdir()
    (place / "other" / "known.onnx").write_bytes(tiny_onnx(tiny_contract(64), seed=1))
    arguments = ("--all-pairs", "--root", "faces", "--matrix", "--fmrs", "0.1", "--json")
    done = embedge(place, *arguments, "--models", "known.onnx", "other/known.onnx")
    assert done.returncode == 0, done.stderr
    result = structured(EvaluationResult, json.loads(done.stdout))
    first, second = (model.side for model in result.models)
    assert second.model == f"known@{result.models[1].sha256[:8]}"
    assert [cell.key for cell in result.matrix[:2]] == [Key(first, first), Key(first, second)]
    assert result.matrix[3].drift.reference == Key(first, first)
    done = embedge(place, *arguments, "--models", *["known.onnx"] * 2)
    assert done.returncode == 2
    assert "E-EVALUATE-OPTIONS: known.onnx is given more than once" in done.stderr


def test_artifacts_of_one_contract_do_not_share_a_cache(made: Path, tmp_path: Path) -> None:
    """They did: the second was given the embeddings of the first."""
    student_bundle(tmp_path / "door.embedge", away=0.5)
    models = [f"{tmp_path}/door.embedge:{name}" for name in ("fp32", "int8")]
    asked = ("--models", *models, "--all-pairs", "--root", "faces", "--json")
    plain = embedge(made, *asked)
    cached = embedge(made, *asked, "--cache", str(tmp_path / "cache"))
    without, found = json.loads(plain.stdout)["models"], json.loads(cached.stdout)["models"]
    assert found == without
    fp32, int8 = (one["result"]["comparison"]["det"] for one in found)
    assert fp32 != int8


def test_pairs_with_folds_and_a_cache(made: Path, tmp_path: Path) -> None:
    arguments = ["--models", "known.onnx", "--pairs", "pairs.tsv", "--root", "faces"]
    arguments += ["--json", "--cache", str(tmp_path / "cache")]
    first, again = embedge(made, *arguments), embedge(made, *arguments)
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    result = json.loads(first.stdout)["models"][0]["result"]
    assert result["accuracy"]["mean"] > 0.9
    assert len(result["accuracy"]["accuracies"]) == 3
    assert (result["comparison"]["genuine"], result["comparison"]["impostor"]) == (12, 12)


def test_broken_pictures_are_counted_apart(place: Path) -> None:
    (place / "faces" / picture(0, 1)).write_bytes(b"no picture")
    arguments = ("--models", "known.onnx", "--pairs", "pairs.tsv", "--root", "faces")
    done = embedge(place, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["models"][0]["result"]
    assert result["acquisition"]["failed"] == 1
    assert result["acquisition"]["comparisons_left_out"] == 1
    assert result["comparison"]["genuine"] == 11
    assert "1 of 36 pictures could not be used" in embedge(place, *arguments).stdout


def test_a_picture_under_two_people_spoils_the_figures(place: Path) -> None:
    shutil.copy(place / "faces" / picture(0, 1), place / "faces" / picture(5, 1))
    done = embedge(place, "--models", "known.onnx", "--all-pairs", "--root", "faces")
    assert done.returncode == 3
    assert "ERROR duplicate-picture: 1 picture is filed under two people" in done.stdout
    assert "spoil these figures" in done.stderr


def test_shuffled_labels_spoil_the_figures(place: Path) -> None:
    for person in range(PEOPLE):
        other = (person + 1) % PEOPLE
        moved = place / "faces" / f"p{person:02d}" / f"moved_{other}.png"
        shutil.move(place / "faces" / picture(other, 2), moved)
    done = embedge(place, "--models", "known.onnx", "--all-pairs", "--root", "faces")
    assert done.returncode == 3
    assert "ERROR shuffled-labels" in done.stdout


def test_a_contradicting_pair_list_spoils_the_figures(place: Path) -> None:
    text = (place / "pairs.tsv").read_text().splitlines()
    text[1] = text[1][:-1] + "0"
    (place / "pairs.tsv").write_text("\n".join(text))
    done = embedge(place, "--models", "known.onnx", "--pairs", "pairs.tsv", "--root", "faces")
    assert done.returncode == 3
    assert "ERROR contradicted-pairs: 1 pair contradicts" in done.stdout


def test_people_trained_on_spoil_the_figures(place: Path) -> None:
    (place / "trained.txt").write_text("p99\np03\n")
    arguments = ("--models", "known.onnx", "--pairs", "pairs.tsv", "--root", "faces")
    done = embedge(place, *arguments, "--trained-on", "trained.txt")
    assert done.returncode == 3
    assert "ERROR leaking-split: 1 person of the test was trained" in done.stdout
    assert "  p03\n" in done.stdout


def test_matrix_of_one_space_and_refusal_of_two(made: Path) -> None:
    arguments = ("--all-pairs", "--root", "faces", "--matrix", "--fmrs", "0.1", "--models")
    done = embedge(made, *arguments, "known.onnx", "tiny.embedge")
    assert done.returncode == 0, done.stderr
    assert "TAR@1e-01, gallery (row) against probe (column)" in done.stdout
    done = embedge(made, *arguments, "known.onnx", "stranger.onnx")
    assert done.returncode == 2
    assert "E-SPACE" in done.stderr


def test_the_threshold_of_a_bundle_is_tried_on_these_people(made: Path) -> None:
    arguments = ("--all-pairs", "--root", "faces", "--models", "tiny.embedge")
    done = embedge(made, *arguments)
    assert "  at its own threshold 0.3000: FMR " in done.stdout
    # mirrored pictures make other embeddings, which the threshold says nothing about
    assert "own threshold" not in embedge(made, *arguments, "--flip", "sum").stdout


def test_a_report_shows_the_matrix_as_a_heat_map(made: Path, tmp_path: Path) -> None:
    arguments = ("--all-pairs", "--root", "faces", "--matrix", "--fmrs", "0.1", "--models")
    done = embedge(
        made,
        *(*arguments, "known.onnx", "tiny.embedge"),
        *("--report", str(tmp_path / "report"), "--eer-at-most", "1"),
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report" / "report.html").read_text()
    heat = page[page.index("Who can be compared with whom") :]
    heat = heat[: heat.index("</table>")]
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    cells = structured(Report, report).evaluation.comparisons
    sides = (Side("known"), Side("tiny", "fp32"))
    assert {one.key for one in cells} == {Key(one, other) for one in sides for other in sides}
    assert len(cells) == 4
    assert heat.count('<td class="cell"') == 4
    for one in cells:
        assert f"{100 * one.tar[0].tar:.1f}\N{NO-BREAK SPACE}%" in heat
    assert report["verdict"]["passed"]


def report_of(place: Path, *more: str) -> dict:
    arguments = ("--models", "known.onnx", "--all-pairs", "--root", "faces", *more)
    done = embedge(place, *arguments, "--report", "report", "--eer-at-most", "1")
    assert done.returncode == 0, done.stderr
    return json.loads((place / "report" / "report.json").read_text())


def test_a_report_shows_the_worst_pairs_unless_privacy_asks(place: Path) -> None:
    (place / "faces" / picture(0, 1)).write_bytes(b"no picture")  # later rows move up by one
    worst = report_of(place)["worst"]
    assert worst["comparison"] == "known"
    assert len(worst["false_matches"]) == 10
    for pair in worst["false_non_matches"]:
        one, other = pair["label_a"], pair["label_b"]
        assert one.split("/")[0] == other.split("/")[0]
        assert one != other
        assert pair["a"].startswith("data:image/jpeg;base64,")
    lowest = worst["false_non_matches"][0]
    alone = place / "alone" / "p"
    alone.mkdir(parents=True)
    for name in (lowest["label_a"], lowest["label_b"]):
        shutil.copy(place / "faces" / name, alone)
    pair = embedge(place, "--models", "known.onnx", "--all-pairs", "--root", "alone", "--json")
    histogram = json.loads(pair.stdout)["models"][0]["result"]["comparison"]["histogram"]
    (full,) = np.flatnonzero(histogram["genuine"])
    assert histogram["edges"][full] <= lowest["cosine"] + 1e-3
    assert lowest["cosine"] - 1e-3 <= histogram["edges"][full + 1]
    private = report_of(place, "--no-pictures")
    assert picture(0, 1) not in json.dumps(private)  # neither as a failure nor as a finding
    for pair in private["worst"]["false_matches"]:
        assert pair.pop("cosine") < 1
        assert not any(pair.values())


def test_a_report_tells_failures_to_acquire_findings_and_accuracy(place: Path) -> None:
    (place / "faces" / picture(0, 1)).write_bytes(b"no picture")
    shutil.copy(place / "faces" / picture(3, 1), place / "faces" / picture(3, 2))
    arguments = ("--models", "known.onnx", "--pairs", "pairs.tsv", "--root", "faces")
    done = embedge(place, *arguments, "--report", "report", "--eer-at-most", "1")
    assert done.returncode == 3, done.stderr  # so many of so few pairs are of one picture
    value = json.loads((place / "report" / "report.json").read_text())
    evaluation = structured(Report, value).evaluation
    assert [finding.code for finding in evaluation.findings] == ["repeated-picture"]
    (tested,) = evaluation.tested
    assert ("copied-picture", "error") in [(one.code, one.severity) for one in tested.findings]
    assert (tested.acquisition.failed, tested.acquisition.comparisons_left_out) == (1, 1)
    assert list(tested.acquisition.failures) == [picture(0, 1)]
    assert len(tested.accuracy.accuracies) == 3


def test_the_fingerprint_is_of_the_faces_and_not_of_their_place(
    place: Path, tmp_path: Path
) -> None:
    def fingerprint() -> str:
        return report_of(place)["evaluation"]["dataset"]["fingerprint"]

    before = fingerprint()
    shutil.move(place / "faces", tmp_path / "elsewhere")
    (place / "faces").symlink_to(tmp_path / "elsewhere")
    assert fingerprint() == before
    with Image.open(place / "faces" / picture(3, 2)) as image:
        pixels = np.asarray(image).copy()
    pixels[50, 50] ^= 1
    Image.fromarray(pixels).save(place / "faces" / picture(3, 2))
    assert fingerprint() != before


def test_people_in_two_folds_spoil_the_accuracy(place: Path) -> None:
    lines = pair_lines()
    lines.append(f"2\t{picture(0, 1)}\t{picture(9, 2)}\t0")
    (place / "leak.tsv").write_text("\n".join(lines))
    done = embedge(place, "--models", "known.onnx", "--pairs", "leak.tsv", "--root", "faces")
    assert done.returncode == 3
    assert "ERROR leaking-folds: 1 person appears in more than one fold" in done.stdout


def test_a_report_on_spoiled_data_fails(place: Path) -> None:
    shutil.copy(place / "faces" / picture(0, 1), place / "faces" / picture(5, 1))
    done = embedge(
        place,
        *("--models", "known.onnx", "--all-pairs", "--root", "faces", "--report", "report"),
    )
    assert done.returncode == 3
    report = json.loads((place / "report" / "report.json").read_text())
    assert not report["verdict"]["passed"]
    assert "filed under two people" in report["verdict"]["gates"][0]["what"]


def test_groups(made: Path, tmp_path: Path) -> None:
    lines = [f"p{person:02d}\t{'ab'[person % 2]}" for person in range(PEOPLE)]
    (tmp_path / "groups.tsv").write_text("\n".join(["name\tgroup", *lines]))
    arguments = ["--models", "known.onnx", "--all-pairs", "--root", "faces"]
    arguments += ["--groups", str(tmp_path / "groups.tsv"), "--groups-fmr", "0.05", "--json"]
    done = embedge(made, *arguments)
    assert done.returncode == 0, done.stderr
    slices = json.loads(done.stdout)["models"][0]["result"]["slices"]
    assert [(part["value"], part["subjects"]) for part in slices["slices"]] == [("a", 6), ("b", 6)]
    assert [row["rate"] for row in slices["worst"]] == ["fmr", "fnmr"]


def test_a_packed_set(place: Path) -> None:
    files = [place / "faces" / name for line in pair_lines() for name in line.split("\t")[1:3]]
    verdicts = [line.endswith("1") for line in pair_lines()]
    packed = pickle.dumps(([path.read_bytes() for path in files], verdicts))
    (place / "set.bin").write_bytes(packed)
    done = embedge(place, "--models", "known.onnx", "--bin", "set.bin", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["data"]["images"] == 36
    assert result["protocol"]["flip"] == "sum"
    assert result["models"][0]["contract"]["flip"] == "sum"
    assert len(result["models"][0]["result"]["accuracy"]["accuracies"]) == 10


def test_ijb_both_ways(place: Path) -> None:
    tiny_ijb(place / "IJBC")
    done = embedge(place, "--models", "known.onnx", "--ijb", "IJBC", "--fmrs", "0.1")
    assert done.returncode == 0, done.stderr
    assert "IJB: 297 pictures" in done.stdout
    assert "templates  81, 1 empty (FTE 1.235%)" in done.stdout
    assert "1N_gallery_G1: 10 enrolled; 30 mated and 30 non-mated searches" in done.stdout
    assert "FNIR@FPIR 0.1" in done.stdout
    assert "insufficient data: needs 300 searches by people not in the gallery" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--pairs", "pairs.tsv"], "E-EVALUATE-ROOT"),
        (["--pairs", "absent.tsv", "--root", "faces"], "E-PAIRS"),
        (["--pairs", "bad.tsv", "--root", "faces"], "E-PAIRS"),
        (["--all-pairs", "--root", "absent"], "E-PEOPLE"),
        (["--pairs", "pairs.tsv", "--root", "elsewhere"], "E-NO-FACES"),
        (["--bin", "pairs.tsv"], "E-BIN"),
        (["--bin", "pairs.tsv", "--matrix"], "E-EVALUATE-OPTIONS"),
        (["--all-pairs", "--root", "faces", "--groups", "pairs.tsv"], "E-SLICES"),
        (["--ijb", "faces"], "E-IJB"),
    ],
)
def test_mistakes_are_one_sentence(made: Path, arguments: list[str], code: str) -> None:
    (made / "bad.tsv").write_text("0\ta.png\tb.png\n")
    done = embedge(made, "--models", "known.onnx", *arguments)
    assert done.returncode == 2
    assert done.stderr.strip().startswith(f"embedge: {code}:")
    assert "Traceback" not in done.stderr


def test_an_absent_model_is_one_sentence(made: Path) -> None:
    done = embedge(made, "--models", "absent.onnx", "--all-pairs", "--root", "faces")
    assert done.returncode == 2
    assert "E-MODEL-MISSING" in done.stderr
