"""How networks want to be fed, by name."""

from dataclasses import dataclass, replace

from embedge.files import sha256_json
from embedge.runtime.contract import Colour, EmbeddingContract, PerChannel

__all__ = ["FEEDINGS", "PREPROCESSING", "Preprocessing", "fed_digest", "named"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    colour: Colour
    mean: PerChannel
    std: PerChannel

    def of(self, contract: EmbeddingContract) -> EmbeddingContract:
        return replace(contract, colour=self.colour, mean=self.mean, std=self.std)


# what face networks are fed by convention: a teacher is tried with each of them
PREPROCESSING: dict[str, Preprocessing] = {
    "rgb-scaled": Preprocessing("RGB", 127.5, 127.5),
    "bgr-scaled": Preprocessing("BGR", 127.5, 127.5),
    "rgb-plain": Preprocessing("RGB", 0.0, 1.0),
    "bgr-plain": Preprocessing("BGR", 0.0, 1.0),
}
FEEDINGS: dict[str, Preprocessing] = {
    **PREPROCESSING,
    "rgb-imagenet": Preprocessing("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


def named(way: Preprocessing) -> str:
    """Its common name, or the numbers."""
    names = {one: name for name, one in FEEDINGS.items()}
    return names.get(way) or f"{way.colour.lower()} (x - {way.mean}) / {way.std}"


def fed_digest(file: str, fed: str) -> str:
    """What names the space of a foreign file (its sha256) that is fed so."""
    return sha256_json({"file": file, "preprocessing": fed})
