"""Erase a person from a gallery: their key is destroyed, their rows are overwritten.

With --prove the files of the gallery's folder are searched for the templates in every form that
is listed; with --picture also for what the encoder makes of the person's pictures. Exit status 3
when anything speaks against the proof.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.device.gallery_options import add_gallery_options, opened_gallery, say
from embedge.errors import EmbedgeError
from embedge.printed import counted

if TYPE_CHECKING:
    from embedge.runtime.contract import EmbeddingContract
    from embedge.runtime.encoders import Embeddings
    from embedge.runtime.gallery.erasure import ErasureProof


def configure(parser: argparse.ArgumentParser) -> None:
    add_gallery_options(parser)
    parser.add_argument("person", help="the name the person was enrolled under")
    parser.add_argument("--prove", action="store_true", help="search the raw files afterwards")
    parser.add_argument(
        "--picture",
        type=Path,
        action="append",
        default=[],
        help="search for this picture's own embedding too (repeatable; needs --bundle)",
    )
    parser.add_argument("--bundle", type=Path, help="what embeds the pictures")


def run(options: argparse.Namespace) -> int:
    with opened_gallery(options, writable=True) as gallery:
        own = _own_embeddings(options, gallery.contract)
        proof = gallery.erase(options.person, prove=options.prove, embeddings=own)
    if options.json:
        say(json.dumps(proof.to_json()))
    else:
        say(f"erased {proof.person}: {counted(proof.templates, 'template')}")
        if options.prove:
            say(*_lines(proof))
    return 0 if proof.proven or not options.prove else 3


def _own_embeddings(
    options: argparse.Namespace, contract: "EmbeddingContract"
) -> "Embeddings | None":
    if not options.picture:
        return None
    if options.bundle is None or not options.prove:
        raise EmbedgeError(
            "E-PROOF",
            "--picture is part of a proof, and something has to embed it",
            remedy="Give --prove and --bundle as well",
        )
    from embedge.runtime.contract import require_same_space
    from embedge.runtime.matcher import FaceMatcher

    with FaceMatcher.load(options.bundle) as matcher:
        require_same_space(contract, matcher.contract)
        return matcher.embed(options.picture)


def _lines(proof: "ErasureProof") -> list[str]:
    return [
        f"searched {counted(len(proof.files), 'file')}, {proof.searched_bytes:,} bytes, for"
        f" {proof.patterns:,} pieces: {len(proof.found)} found",
        *(f"  in: {file}" for file in proof.files),
        *(f"  for: {form}" for form in proof.forms),
        *(f"  found: {hit}" for hit in proof.found[:20]),
        *(f"  still opens and holds the person: {copy}" for copy in proof.copies),
        *(f"  could not be looked into: {place}" for place in proof.unreadable),
        *(f"  cannot be known: {what}" for what in proof.unknown),
        "PROVEN" if proof.proven else "NOT PROVEN",
    ]
