"""A gallery of real people goes over to another network, and is renewed by their visits.

    python benchmarks/migrate_real.py CACHE [--old w600k_mbf] [--new foamliu_mbf] [--kind auto]

On the embeddings that `benchmarks/bridge.py --cache CACHE` keeps. Half of LFW's people fix both
thresholds (FMR 1e-4) and come as strangers afterwards; of the others the first picture is enrolled
under the old network, the rest are visits.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bridge import MODELS, end
from bridge_coverage import unit
from provenance import provenance, write_result

from embedge.calibration.bridging.labelled import OLD, People, calibrated
from embedge.calibration.evaluation.judge import Subject, scores_of
from embedge.calibration.people.splits import split_subjects
from embedge.calibration.rates import Insufficient
from embedge.calibration.thresholds import threshold_at
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.migration.going import forget, go_back, migrate
from embedge.runtime.gallery.migration.replacing import replace_bridged
from embedge.runtime.identification import identify_row
from embedge.runtime.threshold import Threshold
from embedge.train.bridge.fit import fitted_bridge
from embedge.train.bridge.pairs import Pairs

FMR = 1e-4


@dataclass
class Matcher:
    contract: EmbeddingContract
    threshold: Threshold

    def thresholds(self) -> tuple[Threshold, ...]:
        return (self.threshold,)

    def decidable(self, threshold: Threshold | None) -> Threshold:
        return threshold or self.threshold


def native_threshold(rows: np.ndarray, labels: np.ndarray) -> Threshold:
    subject = Subject(OLD, rows)
    found = threshold_at(scores_of(subject, subject, labels), FMR, dataset="lfw-dev", model="own")
    assert not isinstance(found, Insufficient)
    return found


def looked_at(gallery: Gallery, matcher: Matcher, visits: Any, strangers: Any) -> dict[str, float]:
    named = [identify_row(matcher, gallery, row).person for _, row in visits]
    right = [person == name for person, (name, _) in zip(named, visits, strict=True)]
    wrong = [bool(p) and p != name for p, (name, _) in zip(named, visits, strict=True)]
    taken = [identify_row(matcher, gallery, row).person is not None for row in strangers]
    return {
        "right": float(np.mean(right)),
        "wrong": float(np.mean(wrong)),
        "strangers_taken": float(np.mean(taken)),
    }


def walked(
    gallery: Gallery, matcher: Matcher, visits: Any, *, other_factor: bool
) -> dict[str, float]:
    """Every second visit may renew the gallery; the others then ask who they are."""
    renewed = 0
    for name, row in visits[::2]:
        found = identify_row(matcher, gallery, row)
        if found.person == name:
            renewed += replace_bridged(
                gallery,
                name,
                row,
                matcher.contract,
                native=matcher.threshold,
                other_factor=other_factor,
            )
    right = [identify_row(matcher, gallery, row).person == name for name, row in visits[1::2]]
    return {"replaced": renewed, "bridged": gallery.info().bridged, "right": float(np.mean(right))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--old", choices=MODELS, default="w600k_mbf")
    parser.add_argument("--new", choices=MODELS, default="foamliu_mbf")
    parser.add_argument("--kind", default="auto")
    options, stated = parser.parse_args(), provenance("numpy")
    sides = options.old, options.new
    utk, lfw = (
        [unit(np.load(options.cache / f"{what}.{name}.npy")) for name in sides]
        for what in ("utk", "lfw")
    )
    labels = np.load(options.cache / "lfw.labels.npy")
    ends = [end(name, rows) for name, rows in zip(sides, utk, strict=True)]
    contracts = [EmbeddingContract(each.space, name, each.dim) for each, name in zip(ends, sides)]
    bridge = fitted_bridge(*ends, Pairs([utk[0]], [utk[1]]), kind=options.kind).bridge
    chosen, others = split_subjects(labels, 0)
    people = People(lfw[0], lfw[1], labels)
    own, _ = calibrated(bridge.apply(people.old), people, chosen, FMR, dataset="lfw-dev")
    matchers = [
        Matcher(contract, native_threshold(rows[chosen], labels[chosen]))
        for contract, rows in zip(contracts, lfw, strict=True)
    ]
    result = run(bridge.with_threshold(own), contracts, matchers, lfw, labels, others)
    result["thresholds"] = {
        "old": matchers[0].threshold.value,
        "new": matchers[1].threshold.value,
        "bridged": own.value if own else None,
    }
    write_result(
        "migrate_real",
        {
            "provenance": stated,
            "old": sides[0],
            "new": sides[1],
            "kind": bridge.facts["kind"],
            **result,
        },
    )
    for name, told in result.items():
        print(name, told)


def run(
    bridge: Any, contracts: Any, matchers: Any, lfw: Any, labels: np.ndarray, others: np.ndarray
) -> dict[str, Any]:
    inside = np.flatnonzero(others)
    first = inside[np.unique(labels[inside], return_index=True)[1]]
    rest = np.random.default_rng(0).permutation(np.setdiff1d(inside, first))
    visits = [[(f"p{labels[n]}", rows[n]) for n in rest] for rows in lfw]
    strangers = [rows[~others] for rows in lfw]
    told: dict[str, Any] = {"people": len(first), "visits": len(rest)}
    told["strangers"] = len(strangers[0])
    names = [f"p{labels[n]}" for n in first]
    with tempfile.TemporaryDirectory() as folder:
        native = Gallery.create(Path(folder) / "n", contracts[1], key=bytes(32))
        with native:
            native.enroll(names, lfw[1][first], contracts[1])
            told["enrolled again"] = looked_at(native, matchers[1], visits[1], strangers[1])
        with Gallery.create(Path(folder) / "g", contracts[0], key=bytes(32)) as gallery:
            gallery.enroll(names, lfw[0][first], contracts[0])
            told["before"] = looked_at(gallery, matchers[0], visits[0], strangers[0])
            migrate(gallery, bridge, contracts[1])
            told["bridged"] = looked_at(gallery, matchers[1], visits[1], strangers[1])
            visit = [gallery, matchers[1], visits[1]]
            told["bridge alone"] = walked(*visit, other_factor=False)
            told["another factor"] = walked(*visit, other_factor=True)
            told["with natives"] = looked_at(gallery, matchers[1], visits[1][1::2], strangers[1])
            go_back(gallery)
            told["gone back"] = looked_at(gallery, matchers[0], visits[0], strangers[0])
            migrate(gallery, bridge, contracts[1])
            forget(gallery)
            told["for good"] = gallery.info().bridged
    return told


if __name__ == "__main__":
    main()
