"""The self-test: an encoder of a bundle, or any function that embeds, asked the golden faces."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embedge.errors import EmbedgeError
from embedge.runtime.selftest.asking import Align, Embed, aligned_to, ask
from embedge.runtime.selftest.diagnosis import lowest_cosine, symptoms_in
from embedge.runtime.selftest.golden import GOLDEN, Golden
from embedge.runtime.selftest.result import SelfTest, Symptom

if TYPE_CHECKING:
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.encoders import Encoder

__all__ = ["golden_of", "self_test", "tested_encoder"]


def self_test(
    embed: Embed,
    golden: Golden,
    artifact: str,
    *,
    size: int = 112,
    align: Align | None = None,
    provider: str = "a function",
) -> SelfTest:
    """Ask `embed` (uint8 RGB crops to rows) the golden faces and name what is wrong with it."""
    begun, expected = time.perf_counter(), golden.of(artifact)
    told = SelfTest(artifact, provider, (), None, expected.nearest, 0.0)
    try:
        answers = ask(embed, golden, size, align)
    except EmbedgeError as error:
        if error.code != "E-EMBEDDING":
            raise
        findings: tuple[Symptom, ...] = (Symptom("collapse", error.what),)
        return replace(told, findings=findings, seconds=time.perf_counter() - begun)
    findings = symptoms_in(answers, expected)
    comparable = answers.alone.shape == expected.crops.shape and np.isfinite(answers.alone).all()
    return replace(
        told,
        findings=findings,
        cosine=lowest_cosine(answers.alone, expected.crops) if comparable else None,
        seconds=time.perf_counter() - begun,
    )


def tested_encoder(encoder: "Encoder", golden: Golden, artifact: str) -> SelfTest:
    contract = encoder.contract
    return self_test(
        encoder.embed,
        golden,
        artifact,
        size=contract.size,
        align=aligned_to(contract.template, contract.size),
        provider=encoder.provider,
    )


def golden_of(bundle: "Bundle") -> Golden | None:
    """The bundle's golden vectors; None where it was made without them."""
    return Golden.parsed(bundle.read(GOLDEN)) if GOLDEN in bundle.files else None
