"""Bridges between every two of three real networks: what is kept, the verdicts, the decoys.

    python benchmarks/bridge.py REAL_FOLDER [--cache DIR] [--part "OLD > NEW"] [--part decoys]
    python benchmarks/bridge.py REAL_FOLDER --network NAME=FILE[:HOW_FED] --part "NAME > NEW" …
        [--strangers NAME=FILE] [--pictures N]

Fitted on the unlabelled faces of `utk`, judged on all pairs of `lfw-dev`, at most 8 pictures a
person. Constants of the method were chosen on a third of these people ("chosen on"); the rest, and
all of them, are told apart. Embeddings are kept in the cache, for they take most of the time.
Pairs with other networks (students of your own, say) are kept beside the six; where one of them
learnt from people of `lfw-dev`, FILE names those it did not, a line each, and they alone judge it.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from provenance import RESULTS, provenance, write_result

from embedge.calibration.bridging.agreement import agreement, unlabelled_threshold
from embedge.calibration.bridging.attack import attack
from embedge.calibration.bridging.ends import pictures_under
from embedge.calibration.bridging.labelled import Labelled, People, labelled_evidence
from embedge.calibration.bridging.verdict import Demands, verdict
from embedge.calibration.evaluation.embed import embedded
from embedge.calibration.evaluation.faces import FaceFiles
from embedge.calibration.evaluation.subjects import opened_model
from embedge.calibration.pairs import pairs_between, pairs_within
from embedge.calibration.people.splits import split_subjects
from embedge.calibration.protocols.folders import people_in_folders
from embedge.calibration.rates import (
    Insufficient,
    false_match_rate,
    false_non_match_rate,
    operating_point,
)
from embedge.calibration.scores import Float32, PairScores
from embedge.files import sha256_file
from embedge.runtime.bridge import End
from embedge.train.bridge.fit import Fitted, fitted_bridge
from embedge.train.bridge.pairs import Pairs

MODELS = {"w600k_mbf": None, "insightface_y1": None, "foamliu_mbf": "rgb-imagenet"}
FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
GOALS = {1e-3: 0.993, 1e-4: 0.98, 1e-5: 0.95}
DEMANDS = Demands(1e-4, 0.96)


@dataclass(frozen=True, slots=True)
class Network:
    """`kept` names its embeddings in the cache."""

    file: Path
    fed: str | None
    kept: str

    @classmethod
    def given(cls, told: str) -> tuple[str, "Network"]:
        name, _, rest = told.partition("=")
        file, _, fed = rest.partition(":")
        return name, cls(Path(file), fed or None, f"{name}.{sha256_file(Path(file))[:8]}")


def rows_of(network: Network, what: str, faces: FaceFiles, cache: Path | None) -> Float32:
    path = cache and cache / f"{what}.{network.kept}.npy"
    if path and path.is_file():
        rows = np.load(path)
    else:
        model = opened_model(str(network.file), preprocessing=network.fed)
        with model.encoder as encoder:
            rows = embedded(faces, encoder, ticker=None).embeddings
        if path:
            np.save(path, rows)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def to_fit_on(network: Network, faces: FaceFiles, count: int | None, cache: Path | None) -> Float32:
    """The rows of so many pictures, spread evenly; whoever is known for all is not asked again."""
    if count is None or (cache and (cache / f"utk.{network.kept}.npy").is_file()):
        rows = rows_of(network, "utk", faces, cache)
        return rows if count is None else rows[spread(len(rows), count)]
    some = spread(len(faces.names), count)
    part = FaceFiles(faces.root, [faces.names[n] for n in some])
    return rows_of(network, f"utk-{count}", part, cache)


def spread(total: int, count: int) -> np.ndarray:
    return np.unique(np.linspace(0, total - 1, count).astype(np.int64))


def end(name: str, rows: Float32) -> End:
    return End(f"foreign:{name}", f"see {name}.onnx", rows.shape[1])


def strangers_to(told: list[str]) -> dict[str, frozenset[str]]:
    """By network, whom it did not learn from."""
    given = (one.partition("=") for one in told)
    return {name: frozenset(Path(file).read_text().splitlines()) for name, _, file in given}


def judged(
    ends: tuple[str, str],
    pairs: Pairs,
    people: People,
    chosen: np.ndarray,
    before: dict[str, Any] | None,
) -> dict[str, Any]:
    began, used = time.perf_counter(), time.process_time()
    fitted = fitted_bridge(end(ends[0], pairs.old[0]), end(ends[1], pairs.new[0]), pairs)
    spent = {
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
    }
    bridge, agreed = fitted.bridge, agreement(fitted.held_out, fitted.native, FMRS)
    mapped = bridge.apply(people.old)
    unlabelled = {
        "fit": {**spent, **fitted.bridge.facts},
        "candidates": [asdict(one) for one in fitted.candidates],
        "agreement": asdict(agreed),
        "verdict_without_labels": asdict(verdict(bridge, agreed, None, DEMANDS)),
        "unlabelled_threshold": _strict(fitted, mapped, people),
    }
    if before is not None:
        return {**before, **unlabelled}
    found = labelled_evidence(bridge, people, FMRS, fmr=DEMANDS.fmr, dataset="lfw-dev")
    return {
        **unlabelled,
        "labelled": _told(found),
        "rest": kept_on(mapped, people.only(~chosen), ~chosen),
        "verdict": asdict(verdict(bridge, agreed, found, DEMANDS)),
        "attack": asdict(attack(mapped, people.new, people)),
    }


def _strict(fitted: Fitted, mapped: Float32, people: People) -> dict[str, Any] | None:
    """The threshold that unlabelled strangers give, and what it does at a door."""
    own = unlabelled_threshold(fitted.held_out, fitted.native, DEMANDS.fmr, dataset="utk")
    if own is None:
        return None
    scores = _across(mapped, people)
    return {
        **own.to_json(),
        "fmr_on_lfw": false_match_rate(scores, own.value),
        "tar_on_lfw": 1 - false_non_match_rate(scores, own.value),
    }


def _across(mapped: Float32, people: People) -> PairScores:
    images = np.arange(len(people.labels))
    return pairs_between(
        mapped,
        people.labels,
        people.new,
        people.labels,
        gallery_images=images,
        probe_images=images,
    )


def _told(found: Labelled) -> dict[str, Any]:
    old, new, across = (
        [asdict(point) for point in comparison.tar] for comparison in found.comparisons
    )
    points = [
        {**asdict(point), "goal": GOALS.get(point.fmr), "short": _short(point.fmr, point.kept)}
        for point in found.points
    ]
    other = found.on_others and found.on_others.at_threshold
    return {
        "genuine": found.comparisons[2].genuine,
        "impostor": found.comparisons[2].impostor,
        "old": old,
        "new": new,
        "bridged": across,
        "points": points,
        "threshold": found.threshold and found.threshold.to_json(),
        "native_threshold": found.new_threshold,
        "on_other_people": other and asdict(other),
    }


def _short(fmr: float, kept: float) -> float | None:
    return round(GOALS[fmr] - kept, 5) if fmr in GOALS else None


def kept_on(mapped: Float32, people: People, part: np.ndarray) -> dict[str, list[float]]:
    """TAR at the FMRs of the goal that they carry, without intervals, on the people no constant was
    chosen on."""
    across = _across(mapped[part], people)
    alone = [pairs_within(rows, people.labels) for rows in (people.old, people.new)]
    told: dict[str, list[float]] = {"fmr": [], "bridged": [], "kept": []}
    for fmr in GOALS:
        points = [operating_point(scores, fmr) for scores in (*alone, across)]
        if any(isinstance(point, Insufficient) for point in points):
            continue
        old, new, bridged = (point.tar for point in points)
        for name, value in (("fmr", fmr), ("bridged", bridged), ("kept", bridged / min(old, new))):
            told[name].append(value)
    return told


def decoys(utk: dict[str, Float32], people: People, made: dict[str, Any]) -> dict[str, Any]:
    """Old models that are none, with the same new one: each must be refused."""
    random = np.random.default_rng(0)
    shuffled = random.permutation(len(utk["new"]))
    order = random.permutation(len(people.labels))
    found = {
        "permuted people": (utk["old"][shuffled], people.old[order]),
        "truncated to 8": (_cut(utk["old"]), _cut(people.old)),
        **made,
    }
    told = {}
    for name, (old, labelled) in found.items():
        pairs = Pairs([old], [utk["new"]])
        fitted = fitted_bridge(end(name, old), end("new", utk["new"]), pairs)
        agreed = agreement(fitted.held_out, fitted.native, FMRS)
        group = People(labelled, people.new, people.labels)
        evidence = labelled_evidence(fitted.bridge, group, FMRS, fmr=DEMANDS.fmr, dataset="lfw-dev")
        told[name] = {
            "verdict": asdict(verdict(fitted.bridge, agreed, evidence, DEMANDS)),
            "without_labels": asdict(verdict(fitted.bridge, agreed, None, DEMANDS)),
            "rank1": agreed.rank1,
            "noise": agreed.noise,
            "points": [asdict(point) for point in evidence.points],
        }
        print(name, told[name]["verdict"], told[name]["without_labels"]["decision"], flush=True)
    return told


def _cut(rows: Float32) -> Float32:
    part = rows[:, :8]
    return np.asarray(part / np.linalg.norm(part, axis=1, keepdims=True), np.float32)


class Unlike:
    """A network that never learnt faces: random filters, or only colours."""

    def __init__(self, kind: str, contract: Any):
        self.kind, self.contract, self.provider = kind, contract, "numpy"
        self.filters = np.random.default_rng(1).normal(size=(16 * 16 * 3, 64)).astype(np.float32)
        self.mix = np.random.default_rng(2).normal(size=(49 * 64, 128)).astype(np.float32)

    def features(self, crops: np.ndarray) -> Float32:
        pixels = crops.astype(np.float32) / 255 - 0.5
        if self.kind == "colours":  # mean and spread of each colour in 4x4 fields
            fields = pixels.reshape(len(crops), 4, 28, 4, 28, 3)
            parts = (fields.mean((2, 4)), fields.std((2, 4)))
            return np.hstack([part.reshape(len(crops), -1) for part in parts])
        fields = pixels.reshape(len(crops), 7, 16, 7, 16, 3).transpose(0, 1, 3, 2, 4, 5)
        seen = np.maximum(fields.reshape(len(crops), 49, -1) @ self.filters, 0)
        return np.asarray(seen.reshape(len(crops), -1) @ self.mix, np.float32)


def spoiled_rows(
    real: Path, unlabelled: FaceFiles, labelled: FaceFiles, cache: Path | None
) -> dict[str, tuple[Float32, Float32]]:
    """The old model fed wrongly, and networks that are none."""
    path = str(real / "models" / "insightface_y1.onnx")
    ways: dict[str, tuple[Any, Any]] = {
        "BGR input": (opened_model(path).encoder, lambda crop: crop[..., ::-1]),
        "alignment 16 pixels off": (
            opened_model(path).encoder,
            lambda crop: np.roll(crop, (16, 16), (0, 1)),
        ),
    }
    contract = opened_model(path).encoder.contract
    for kind in ("random", "colours"):
        ways[f"{kind} network"] = (Unlike(kind, contract), lambda crop: crop)
    found = {}
    for name, (encoder, change) in ways.items():
        both = []
        for what, faces in (("utk", unlabelled), ("lfw", labelled)):
            kept = cache and cache / f"{what}.decoy {name}.npy"
            if kept and kept.is_file():
                both.append(np.load(kept))
                continue
            batches, cut = [], faces.aligned_for(contract)
            for start in range(0, len(cut), 256):
                crops = [change(cut.read(n)) for n in range(start, min(start + 256, len(cut)))]
                batches.append(encoder.features(np.ascontiguousarray(np.stack(crops))))
            rows = np.concatenate(batches)
            both.append(np.float32(rows / np.linalg.norm(rows, axis=1, keepdims=True)))
            if kept:
                np.save(kept, both[-1])
        found[name] = (both[0], both[1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--decoy-pictures", type=int, default=3000)
    parser.add_argument(
        "--keep-labelled", action="store_true", help="measure again only what needs no labels"
    )
    parser.add_argument("--part", action="append", help="measure this anew, keep the rest")
    parser.add_argument(
        "--network", action="append", default=[], type=Network.given, metavar="NAME=FILE[:HOW_FED]"
    )
    parser.add_argument("--pictures", type=int, help="of utk to fit on, with --network; all")
    parser.add_argument("--strangers", action="append", default=[], metavar="NAME=FILE")
    options = parser.parse_args()
    real, cache, strangers = options.real, options.cache, strangers_to(options.strangers)
    unlabelled = pictures_under(real / "utk")
    faces, labels = people_in_folders(real / "lfw-dev", per_person=8, at_least=2)
    others = dict(options.network)
    networks = others | {
        name: Network(real / "models" / f"{name}.onnx", fed, name) for name, fed in MODELS.items()
    }
    asked = networks.items()
    lfw = {name: rows_of(network, "lfw", faces, cache) for name, network in asked}
    utk = {name: to_fit_on(one, unlabelled, options.pictures, cache) for name, one in asked}
    chosen, _ = split_subjects(labels, 7, share=1 / 3)
    names = np.asarray([Path(name).parent.name for name in faces.names])
    stored = RESULTS / "bridge.json"
    before = json.loads(stored.read_text()) if options.keep_labelled or options.part else {}
    facts = provenance("torch", "onnxruntime")
    result: dict[str, Any] = {"pairs": {}, "students": {"networks": {}, "pairs": {}}, **before}
    result |= {"images": len(labels), "unlabelled": len(unlabelled.names)}
    if not others:
        result["provenance"] = facts
    for name, network in others.items():
        told = {"sha256": sha256_file(network.file), "dim": utk[name].shape[1]}
        result["students"]["networks"][name] = told
    for old, new in permutations(networks, 2):
        name, ours = f"{old} > {new}", bool({old, new} & set(others))
        if name not in (options.part or [name]) or (others and not ours):
            continue
        pairs = Pairs([utk[old]], [utk[new]])
        known = [strangers[end] for end in (old, new) if end in strangers]
        part = np.asarray([all(name in some for some in known) for name in names])
        people = People(lfw[old], lfw[new], labels).only(part)
        place = result["students"]["pairs"] if ours else result["pairs"]
        kept = place.get(name) if options.keep_labelled else None
        told = judged((old, new), pairs, people, chosen[part], kept)
        told |= {"people": len(set(people.labels)), "images": int(part.sum())}
        place[name] = {**told, "provenance": facts}
        print(name, json.dumps(told["labelled"]["points"]), told["verdict"], flush=True)
        write_result("bridge", result)
    if others:
        return
    if options.part and "decoys" not in options.part:
        return
    some = slice(None, None, max(1, len(unlabelled.names) // options.decoy_pictures))
    few = np.flatnonzero(chosen)
    spoiled = spoiled_rows(
        real,
        type(unlabelled)(unlabelled.root, unlabelled.names[some]),
        type(faces)(faces.root, [faces.names[n] for n in few]),
        cache,
    )
    group = People(lfw["insightface_y1"][few], lfw["w600k_mbf"][few], labels[few])
    both = {"old": utk["insightface_y1"][some], "new": utk["w600k_mbf"][some]}
    result["decoys"] = decoys(both, group, spoiled)
    write_result("bridge", result)


if __name__ == "__main__":
    main()
