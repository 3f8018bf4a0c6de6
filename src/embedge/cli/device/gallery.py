"""Look after a gallery: info, people, export, audit, compact, renew, new-key."""

import argparse
import json
from pathlib import Path

from embedge.cli.device.gallery_options import add_gallery_options, opened_gallery


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    key = actions.add_parser("new-key", help="write a fresh random key file")
    key.add_argument("file", type=Path)
    for name, text in (
        ("info", "what the gallery holds, and in which space"),
        ("people", "the names of everybody enrolled"),
        ("audit", "what was done and when; people as pseudonyms"),
        ("compact", "join small blocks: a smaller file that opens faster"),
    ):
        add_gallery_options(actions.add_parser(name, help=text))
    export = actions.add_parser("export", help="everything about one person, as JSON")
    add_gallery_options(export)
    export.add_argument("person")
    renew = actions.add_parser("renew", help="encrypt and rotate every template anew")
    add_gallery_options(renew)
    renew.add_argument("--new-key-file", type=Path, help="also change the key")


def run(options: argparse.Namespace) -> int:
    return {
        "new-key": _new_key,
        "info": _info,
        "people": _people,
        "audit": _audit,
        "compact": _compact,
        "export": _export,
        "renew": _renew,
    }[options.action](options)


def _new_key(options: argparse.Namespace) -> int:
    from embedge.runtime.gallery.keys import new_key_file

    new_key_file(options.file)
    print(f"wrote {options.file}; whoever has it can read the gallery, without it nobody can")
    return 0


def _info(options: argparse.Namespace) -> int:
    with opened_gallery(options) as gallery:
        info = gallery.info()
    facts = {
        "people": info.people,
        "templates": info.templates,
        "bytes": info.bytes,
        "rows": info.rows,
        "cipher": info.cipher,
        "dim": info.contract.dim,
        "space": info.contract.space,
        "model": info.contract.model,
        "contract": info.contract.digest,
        "gallery": info.gallery,
        "epoch": info.epoch,
    }
    if options.json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name:<10} {value}" for name, value in facts.items()))
    return 0


def _people(options: argparse.Namespace) -> int:
    with opened_gallery(options) as gallery:
        people = gallery.people()
    print(json.dumps(people) if options.json else "\n".join(people))
    return 0


def _audit(options: argparse.Namespace) -> int:
    with opened_gallery(options) as gallery:
        for entry in gallery.audit():
            if options.json:
                print(json.dumps(entry))
            else:
                print(f"{entry['at']}  {entry['event']:<8} {entry['who'] or ''}")
    return 0


def _compact(options: argparse.Namespace) -> int:
    with opened_gallery(options, writable=True) as gallery:
        before = gallery.info().bytes
        gallery.compact()
        after = gallery.info().bytes
    print(json.dumps({"before": before, "after": after}) if options.json else f"{before} → {after}")
    return 0


def _export(options: argparse.Namespace) -> int:
    with opened_gallery(options) as gallery:
        print(json.dumps(gallery.export(options.person), indent=None if options.json else 2))
    return 0


def _renew(options: argparse.Namespace) -> int:
    from embedge.runtime.gallery.keys import key_from_file

    new_key = None if options.new_key_file is None else key_from_file(options.new_key_file)
    with opened_gallery(options, writable=True) as gallery:
        gallery.renew(new_key)
        info = gallery.info()
    print(json.dumps({"gallery": info.gallery}) if options.json else f"renewed as {info.gallery}")
    return 0
