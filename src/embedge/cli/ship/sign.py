"""Sign a bundle or a document, or check who signed it: Ed25519, offline, keys as PEM files.

A locked private key is opened with the password in EMBEDGE_SIGNING_PASSWORD.
"""

import argparse
import os
from datetime import date
from pathlib import Path

from embedge.cli.numbers import WHOLE


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new-key", help="make a key pair: FILE and FILE.pub")
    new.add_argument("file", type=Path)
    sign = actions.add_parser("bundle", help="sign a bundle folder")
    sign.add_argument("bundle", type=Path)
    sign.add_argument("--key", type=Path, required=True, help="the private key")
    sign.add_argument("--version", type=WHOLE, help="counts up from release to release")
    sign.add_argument("--expires", type=date.fromisoformat, help="the last day, as 2027-12-31")
    check = actions.add_parser("check", help="who signed this bundle, and is the key trusted?")
    check.add_argument("bundle", type=Path, help="a bundle folder or its .zip")
    check.add_argument(
        "--trust", type=Path, action="append", required=True, help="a public key (repeatable)"
    )
    check.add_argument("--at-least-version", type=WHOLE, help="refuse an older one")
    document = actions.add_parser("document", help="sign a certificate, dossier or report in JSON")
    document.add_argument("file", type=Path)
    document.add_argument("--key", type=Path, required=True, help="the private key")
    checked = actions.add_parser("check-document", help="who signed this document?")
    checked.add_argument("file", type=Path)
    checked.add_argument(
        "--trust", type=Path, action="append", required=True, help="a public key (repeatable)"
    )


def run(options: argparse.Namespace) -> int:
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.bundle.signature import require_signature, sign_bundle
    from embedge.runtime.bundle.signing_keys import PASSWORD_VARIABLE, new_signing_key

    password = os.environ.get(PASSWORD_VARIABLE, "").encode() or None
    match options.action:
        case "new-key":
            public = new_signing_key(options.file, password)
            locked = "locked with the password" if password else "not locked with a password"
            print(f"private key: {options.file} ({locked}; keep it)\npublic key:  {public}")
        case "bundle":
            signed = sign_bundle(
                options.bundle,
                options.key,
                password,
                version=options.version,
                expires=options.expires,
            )
            print(f"signed by key {signed.key_id}")
        case "check":
            with Bundle.open(
                options.bundle, trusted=options.trust, at_least=options.at_least_version
            ) as bundle:
                found = require_signature(bundle, options.trust)
                told = bundle.declared
                version = "no version" if told.version is None else f"version {told.version}"
                until = f", until {told.expires}" if told.expires else ""
                print(f"{bundle.name}: every file as signed by key {found.key_id}")
                print(f"{version}{until}")
        case "document":
            from embedge.report.papers.kinds import require_sound
            from embedge.report.papers.paper import sign_paper

            require_sound(options.file)
            signed = sign_paper(options.file, options.key, password)
            print(f"signed by key {signed.key_id}")
        case "check-document":
            from embedge.report.papers.paper import require_signed

            require_signed(options.file, options.trust)
            print(f"{options.file}: every byte as signed by a key you trust")
    return 0
