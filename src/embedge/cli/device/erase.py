"""Erase a person from a gallery: the file is rewritten without them and the old one overwritten.

With --prove the raw files beside the gallery are searched for the template's bytes afterwards;
exit status 3 when any is found.
"""

import argparse
import json

from embedge.cli.device.gallery_options import add_gallery_options, opened_gallery


def configure(parser: argparse.ArgumentParser) -> None:
    add_gallery_options(parser)
    parser.add_argument("person", help="the name the person was enrolled under")
    parser.add_argument("--prove", action="store_true", help="search the raw files afterwards")


def run(options: argparse.Namespace) -> int:
    with opened_gallery(options, writable=True) as gallery:
        proof = gallery.erase(options.person, prove=options.prove)
    if options.json:
        print(json.dumps(proof.to_json()))
    else:
        print(f"erased {proof.person}: {proof.templates} template(s)")
    if not options.prove:
        return 0
    if not options.json:
        print(
            f"searched {len(proof.files)} file(s), {proof.searched_bytes:,} bytes, for"
            f" {proof.patterns:,} pieces: {len(proof.found)} found"
        )
        print("\n".join(f"  {hit}" for hit in proof.found[:20]) or "PROVEN")
    return 0 if proof.proven else 3
