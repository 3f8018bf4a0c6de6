"""The golden IJB-C-shaped set against an oracle that loops over everything."""

import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from tiny_ijb import LinearEncoder, tiny_ijb

from embedge.calibration.evaluation import embed as embedding_module
from embedge.calibration.evaluation.figures import Side
from embedge.calibration.protocols import ijb as module
from embedge.calibration.protocols.ijb import ijb_set
from embedge.calibration.trials.ijb import IjbTrial
from embedge.calibration.trials.pairwise import RunOptions
from embedge.calibration.trials.result import Evaluated
from embedge.errors import EmbedgeError
from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.picture.images import rgb_from_picture

FMRS = (0.3, 0.1, 1e-3, 1e-6)
LINEAR = Side("linear")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_ijb(tmp_path_factory.mktemp("ijb") / "IJBC")


@pytest.fixture(scope="module")
def oracle(root: Path) -> dict:
    """Template rows by their official ids, one picture at a time, straight from the text files."""
    encoder = LinearEncoder()
    faces = {}
    for line in (root / "meta" / "ijbc_name_5pts_score.txt").read_text().splitlines():
        name, *numbers = line.split()
        points = np.asarray([float(n) for n in numbers[:10]], np.float32).reshape(5, 2)
        try:
            image = rgb_from_picture(root / "loose_crop" / name)
        except EmbedgeError:
            continue
        crop = aligned_crop(image, points, encoder.contract.template, 112)
        faces[name] = encoder.features(crop[None])[0].astype(float) * float(numbers[10])
    media: dict[int, dict[int, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for line in (root / "meta" / "ijbc_face_tid_mid.txt").read_text().splitlines():
        name, template, medium = line.split()
        if name in faces:
            media[int(template)][int(medium)].append(faces[name])
    rows = {}
    for number, groups in media.items():
        total = sum(np.mean(group, axis=0) for group in groups.values())
        rows[number] = total / np.linalg.norm(total)
    return rows


@pytest.fixture(scope="module")
def measured(root: Path) -> Evaluated:
    found, _ = IjbTrial(ijb_set(root)).run(LINEAR, LinearEncoder(), RunOptions(FMRS))
    return found


def scored(root: Path, oracle: dict) -> tuple[list, list]:
    genuine: list[float] = []
    impostor: list[float] = []
    for line in (root / "meta" / "ijbc_template_pair_label.txt").read_text().splitlines():
        a, b, same = map(int, line.split())
        if a in oracle and b in oracle:
            (genuine if same else impostor).append(float(oracle[a] @ oracle[b]))
    return genuine, impostor


def test_verification_is_that_of_the_oracle(root: Path, oracle: dict, measured: Evaluated) -> None:
    genuine, impostor = scored(root, oracle)
    found = measured.comparison
    assert (found.genuine, found.impostor) == (len(genuine), len(impostor))
    for target in FMRS[:2]:
        allowed = int(target * len(impostor))
        threshold = sorted(impostor, reverse=True)[allowed]
        tar = np.mean([score > threshold for score in genuine])
        point = found.tar_at(target)
        assert point.threshold == pytest.approx(threshold, abs=1e-6)
        assert point.tar == pytest.approx(tar)
        assert 0.05 < tar < 0.995  # a set that everybody passes would prove nothing
    assert found.tar_at(1e-6).needs >= 2449


@pytest.mark.parametrize("gallery", ["1N_gallery_G1", "1N_gallery_G2"])
def test_identification_is_that_of_the_oracle(
    root: Path, oracle: dict, measured: Evaluated, gallery: str
) -> None:
    def listed(name: str) -> list:
        lines = (root / "meta" / f"ijbc_{name}.csv").read_text().splitlines()[1:]
        pairs = [tuple(map(int, line.split(",")[:2])) for line in lines]
        return [(template, subject) for template, subject in pairs if template in oracle]

    enrolled, ranks, mates, strangers = listed(gallery), [], [], []
    for template, subject in listed("1N_probe_mixed"):
        scores = [(float(oracle[template] @ oracle[t]), s) for t, s in enrolled]
        best = max(score for score, s in scores if s != subject)
        own = [score for score, s in scores if s == subject]
        if not own:
            strangers.append(best)
            continue
        rank = 1 + sum(score >= own[0] for score, s in scores if s != subject)
        ranks.append(rank)
        mates.append(own[0] if rank == 1 else -2)
    found = measured.identification[gallery]
    assert (found.gallery, found.mated, found.non_mated) == (10, 30, 30)
    for rank in (1, 5, 10):
        assert found.ranks[str(rank)] == pytest.approx(np.mean([r <= rank for r in ranks]))
    threshold = sorted(strangers, reverse=True)[3]
    assert found.points[0].threshold == pytest.approx(threshold, abs=1e-6)
    assert found.points[0].fnir == pytest.approx(np.mean([mate <= threshold for mate in mates]))
    assert found.points[0].low < found.points[0].fnir < found.points[0].high
    assert found.points[1].needs == 300


def test_failures_are_kept_apart(measured: Evaluated) -> None:
    assert measured.acquisition.failed == len(measured.acquisition.failures) == 2
    assert (measured.templates.total, measured.templates.failed) == (81, 1)


def test_chunks_and_cache_change_nothing(
    root: Path, measured: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_module, "_CHUNK", 3)
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 100)
    options = RunOptions(FMRS, tmp_path / "cache")
    first, second = LinearEncoder(), LinearEncoder()
    chunked, _ = IjbTrial(ijb_set(root)).run(LINEAR, first, options)
    again, _ = IjbTrial(ijb_set(root)).run(LINEAR, second, options)
    assert first.seen > 100
    assert second.seen == 0
    for run in (chunked, again):
        point, other = (r.comparison.tar_at(0.1) for r in (run, measured))
        assert point.threshold == pytest.approx(other.threshold, abs=1e-5)
        assert point.tar == other.tar
        ranks = [r.identification["1N_gallery_G1"].ranks for r in (run, measured)]
        assert ranks[0] == ranks[1]


def test_people_are_joined_by_pairs_where_the_search_lists_are_missing(
    root: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    named = ijb_set(copy).subjects()
    for path in (copy / "meta").glob("*1N*"):
        path.unlink()
    joined = ijb_set(copy).subjects()
    assert len(set(zip(named.tolist(), joined.tolist()))) == len(set(named.tolist()))


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("face_tid_mid.txt", None, "there is no ijbb"),
        ("face_tid_mid.txt", "other.png 1 2\n", "not those of the template list"),
        ("name_5pts_score.txt", "1.png 1 2 3\n", "ijbc_name_5pts_score.txt"),
        ("template_pair_label.txt", "1007 1 0\n", "template 1 has no face"),
        ("template_pair_label.txt", "1007 1014\n", "2 columns"),
        ("1N_gallery_G1.csv", "TEMPLATE_ID,SUBJECT_ID\nx,y\n", "ijbc_1N_gallery_G1.csv"),
    ],
)
def test_damaged_lists_are_one_sentence(
    root: Path, tmp_path: Path, name: str, text: str | None, what: str
) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    path = copy / "meta" / f"ijbc_{name}"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(EmbedgeError, match="E-IJB") as caught:
        IjbTrial(ijb_set(copy)).run(LINEAR, LinearEncoder(), RunOptions(FMRS))
    assert what in str(caught.value)
