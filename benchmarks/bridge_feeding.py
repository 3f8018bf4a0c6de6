"""Is a network that is fed wrongly told from one that is fed rightly, without labels?

    python benchmarks/bridge_feeding.py REAL_FOLDER --cache DIR [--pictures 400] [--at-most N]

What `embedge bridge` tries before it fits: every network of three in every other way, beside every
other network, on pictures of `utk`. Rightly fed ones must not be accused. Then one of them is fed
wrongly on purpose, and must be, and healed by the right way. Rows are kept in the cache.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from bridge import MODELS
from provenance import RESULTS, provenance, write_result

from embedge.calibration.bridging.ends import Seen, pictures_under
from embedge.calibration.evaluation.embed import embedded
from embedge.calibration.evaluation.faces import FaceFiles, StampedFaces
from embedge.calibration.evaluation.subjects import opened_model
from embedge.calibration.scores import Float32
from embedge.train.bridge.feeding.confirming import better_way, foretold
from embedge.train.bridge.feeding.otherwise import SWAPPED, WAYS

WRONG = "insightface_y1"
# how it is fed wrongly, and what makes that good
HEALS = {SWAPPED: SWAPPED}


class Networks:
    def __init__(self, real: Path, faces: FaceFiles, cache: Path) -> None:
        self.real, self.faces, self.cache = real, faces, cache

    def rows(self, name: str, *ways: str) -> Float32:
        """Fed in this way, or in these ways one after the other."""
        kept = self.cache / f"{name}.{len(self.faces.names)}.{'.'.join(ways)}.npy"
        if not kept.is_file():
            faces: StampedFaces = self.faces
            for way in ways:
                faces = Seen(faces, way, WAYS[way])
            file = str(self.real / "models" / f"{name}.onnx")
            with opened_model(file, preprocessing=MODELS[name]).encoder as encoder:
                np.save(kept, embedded(faces, encoder, ticker=None).embeddings)
        return np.asarray(np.load(kept))

    def judged(self, name: str, other: str, *wrong: str) -> dict[str, Any]:
        """What is said of a network that is fed `wrong`ly, or rightly if in no such way."""
        rows, known = self.rows(name, *wrong), self.rows(other)
        tried = {way: self.rows(name, *wrong, way) for way in WAYS}
        better, asked = better_way(rows, known, tried), foretold(rows, known)
        fed = {way: foretold(seen, known) for way, seen in tried.items()}
        gains = {way: one.cosines - asked.cosines for way, one in fed.items()}
        apart = {way: one.apart - asked.apart for way, one in fed.items()}
        return {
            "cosine": float(asked.cosines.mean()),
            "rank1": asked.rank1,
            "gains": {way: float(gain.mean()) for way, gain in gains.items()},
            "errors": {way: _errors(gain) for way, gain in gains.items()},
            "apart_errors": {way: _errors(more) for way, more in apart.items()},
            "better": asdict(better) if better else None,
        }


def _errors(gain: np.ndarray) -> float:
    return float(gain.mean() / gain.std() * np.sqrt(len(gain))) if gain.any() else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--at-most", type=int, help="of the pairs that are not stored yet")
    options, stated = parser.parse_args(), provenance("onnxruntime")
    options.cache.mkdir(parents=True, exist_ok=True)
    everybody = pictures_under(options.real / "utk")
    index = np.linspace(0, len(everybody.names) - 1, options.pictures).astype(np.int64)
    faces = FaceFiles(everybody.root, [everybody.names[n] for n in np.unique(index)])
    networks = Networks(options.real, faces, options.cache)
    known = RESULTS / "bridge_feeding.json"
    before = json.loads(known.read_text()) if known.is_file() else {}
    wrongly = {wrong: {"heals": heals, "pairs": {}} for wrong, heals in HEALS.items()}
    found: dict[str, Any] = {"rightly": {}, "wrongly": wrongly, **before}
    found |= {"provenance": stated, "pictures": len(faces.names)}
    for place, name, work in list(_open(found, networks))[: options.at_most]:
        place[name] = work()
        print(name, place[name], flush=True)
        write_result("bridge_feeding", found)


def _open(
    found: dict[str, Any], networks: Networks
) -> Iterator[tuple[dict[str, Any], str, Callable[[], dict[str, Any]]]]:
    """Where a figure goes, under which name, and how it is measured."""
    for one, other in permutations(MODELS, 2):
        if (name := f"{one} beside {other}") not in found["rightly"]:
            yield found["rightly"], name, partial(networks.judged, one, other)
    for wrong, told in found["wrongly"].items():
        for other in MODELS:
            if other != WRONG and other not in told["pairs"]:
                yield told["pairs"], other, partial(_wrongly, networks, other, wrong)


def _wrongly(networks: Networks, other: str, wrong: str) -> dict[str, Any]:
    accused = _accused(networks, other, wrong)
    return {**networks.judged(WRONG, other, wrong), "the other accused": accused}


def _accused(networks: Networks, name: str, wrong: str) -> Any:
    """Whether a rightly fed network is blamed for the other's feeding, and how strongly."""
    known = networks.rows(WRONG, wrong)
    better = better_way(networks.rows(name), known, {way: networks.rows(name, way) for way in WAYS})
    return {**asdict(better), "gain": better.gain} if better else None


if __name__ == "__main__":
    main()
