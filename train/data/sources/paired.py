"""The pictures of a verification set as a source of faces."""

from functools import cached_property
from typing import ClassVar

import numpy as np

from embedge.calibration.protocols.pairlist import PairProtocol
from embedge.errors import EmbedgeError
from embedge.files import sha256_json
from embedge.train.data.dataset import SIDE, CorruptRecord, Pictures
from embedge.train.data.feeding.pictures import StoredFaces

__all__ = ["PairedFaces"]


class PairedFaces(StoredFaces):
    kind: ClassVar[str] = "verification-set"

    def __init__(self, name: str, protocol: PairProtocol):
        self.name, self._faces = name, protocol.faces
        people, self.labels = np.unique(protocol.subjects, return_inverse=True)
        self.identities = tuple(map(str, people))

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]  # reads every picture, so only on demand
        return sha256_json([self._faces.digest(index) for index in range(len(self))])

    def read(self, index: int) -> Pictures:
        name = self.record_name(index)
        try:
            picture = self._faces.read(index)
        except EmbedgeError as error:
            raise CorruptRecord(index, name, error.what) from error
        if picture.shape != (SIDE, SIDE, 3):
            height, width = picture.shape[:2]
            what = f"the picture is {width}x{height}, not an aligned {SIDE}x{SIDE} crop"
            raise CorruptRecord(index, name, what)
        return picture

    def record_name(self, index: int) -> str:
        return self._faces.record_name(index)
