"""Sign a bundle, or check who signed it: Ed25519, offline, keys as PEM files.

A locked private key is opened with the password in EMBEDGE_SIGNING_PASSWORD.
"""

import argparse
import os
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new-key", help="make a key pair: FILE and FILE.pub")
    new.add_argument("file", type=Path)
    sign = actions.add_parser("bundle", help="sign a bundle folder")
    sign.add_argument("bundle", type=Path)
    sign.add_argument("--key", type=Path, required=True, help="the private key")
    check = actions.add_parser("check", help="who signed this bundle, and is the key trusted?")
    check.add_argument("bundle", type=Path, help="a bundle folder or its .zip")
    check.add_argument(
        "--trust", type=Path, action="append", required=True, help="a public key (repeatable)"
    )


def run(options: argparse.Namespace) -> int:
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.bundle.signature import (
        PASSWORD_VARIABLE,
        new_signing_key,
        require_signature,
        sign_bundle,
    )

    password = os.environ.get(PASSWORD_VARIABLE, "").encode() or None
    match options.action:
        case "new-key":
            public = new_signing_key(options.file, password)
            locked = "locked with the password" if password else "not locked with a password"
            print(f"private key: {options.file} ({locked}; keep it)\npublic key:  {public}")
        case "bundle":
            print(f"signed by key {sign_bundle(options.bundle, options.key, password).key_id}")
        case "check":
            with Bundle.open(options.bundle) as bundle:
                found = require_signature(bundle, options.trust)
                print(f"{bundle.name}: every file as signed by key {found.key_id}")
    return 0
