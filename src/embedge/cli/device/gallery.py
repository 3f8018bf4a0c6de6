"""Look after a gallery: info, people, export, audit, check, backup, recover, compact, renew,
migrate, bridged, new-key.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from embedge.cli.device.gallery_options import add_gallery_options, opened_gallery, say
from embedge.cli.learn.migrate import add_migrate_options, run_bridged, run_migrate
from embedge.printed import counted

WRITES = ("target", "to")  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    key = actions.add_parser("new-key", help="write a fresh random key file")
    key.add_argument("file", type=Path)
    for name, text in (
        ("info", "what the gallery holds, and in which space"),
        ("people", "the names of everybody enrolled"),
        ("audit", "what was done and when; people as pseudonyms"),
        ("compact", "give back the space that erased people have left"),
        ("check", "read everything and say what is wrong; exit status 3 if anything is"),
    ):
        add_gallery_options(actions.add_parser(name, help=text))
    export = actions.add_parser("export", help="everything about one person, as JSON")
    add_gallery_options(export)
    export.add_argument("person")
    backup = actions.add_parser("backup", help="copy it, sealed as it is, while it is in service")
    add_gallery_options(backup)
    backup.add_argument("--to", type=Path, required=True, metavar="FILE", help="the copy's file")
    recover = actions.add_parser("recover", help="save what still opens into a new gallery")
    add_gallery_options(recover)
    recover.add_argument("target", type=Path, help="the new gallery's file")
    recover.add_argument(
        "--keep-doubtful",
        action="store_true",
        help="take people too of whom nothing left says whether they were erased",
    )
    renew = actions.add_parser("renew", help="encrypt every template anew")
    add_gallery_options(renew)
    renew.add_argument("--new-key-file", type=Path, help="also change the key")
    migrate = actions.add_parser("migrate", help="carry it to another model, back, or for good")
    add_gallery_options(migrate)
    add_migrate_options(migrate)
    add_gallery_options(
        actions.add_parser("bridged", help="who has no native template yet after a migration")
    )


def run(options: argparse.Namespace) -> int:
    return {
        "new-key": _new_key,
        "info": _info,
        "migrate": run_migrate,
        "bridged": run_bridged,
        "people": _people,
        "audit": _audit,
        "backup": _backup,
        "check": _check,
        "compact": _compact,
        "export": _export,
        "recover": _recover,
        "renew": _renew,
    }[options.action](options)


def _new_key(options: argparse.Namespace) -> int:
    from embedge.runtime.gallery.keys import new_key_file

    new_key_file(options.file)
    say(f"wrote {options.file}; whoever has it can read the gallery, without it nobody can")
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
        "bridged": info.bridged,
    }
    if options.json:
        say(json.dumps(facts))
    else:
        say(*(f"{name:<10} {value}" for name, value in facts.items()))
    return 0


def _people(options: argparse.Namespace) -> int:
    with opened_gallery(options) as gallery:
        people = gallery.people()
    say(*([json.dumps(people)] if options.json else people))
    return 0


def _audit(options: argparse.Namespace) -> int:
    with opened_gallery(options) as gallery:
        for entry in gallery.audit():
            if options.json:
                say(json.dumps(entry))
            else:
                say(f"{entry['at']}  {entry['event']:<8} {entry['who'] or ''}")
    return 0


def _compact(options: argparse.Namespace) -> int:
    with opened_gallery(options, writable=True) as gallery:
        before = gallery.info().bytes
        gallery.compact()
        after = gallery.info().bytes
    say(json.dumps({"before": before, "after": after}) if options.json else f"{before} → {after}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from embedge.runtime.gallery.keys import find_key
    from embedge.runtime.gallery.mending import check

    found = check(options.gallery, find_key(options.key_file))
    found = [line for text in found for line in text.split("\n")]
    if options.json:
        say(json.dumps({"whole": not found, "found": found}))
    else:
        say(*(found or ["everything in it opens, and nothing is missing"]))
    return 3 if found else 0


def _backup(options: argparse.Namespace) -> int:
    with opened_gallery(options) as gallery:
        gallery.backup(options.to)
    size = options.to.stat().st_size
    facts = {"backup": str(options.to), "bytes": size}
    told = f"copied {options.gallery} to {options.to}: {size} bytes"
    say(json.dumps(facts) if options.json else told)
    return 0


def _recover(options: argparse.Namespace) -> int:
    from embedge.runtime.gallery.keys import find_key
    from embedge.runtime.gallery.mending import recover

    key, doubtful = find_key(options.key_file), options.keep_doubtful
    saved = recover(options.gallery, options.target, key, keep_doubtful=doubtful)
    if options.json:
        say(json.dumps({**asdict(saved), "whole": saved.whole}))
        return 0 if saved.whole else 3
    say(
        f"saved {counted(saved.templates, 'template')} of"
        f" {counted(saved.people, 'person', 'people')} into {options.target}"
    )
    for name in saved.lost:
        say(f"  lost, all or some of: {name}")
    if saved.lost_people or saved.lost_templates:
        say(f"  lost: {counted(saved.lost_templates, 'template')} and {saved.lost_people} names")
    for name in saved.erased:
        say(f"  left out, as they were erased and put back: {name}")
    for name in saved.doubtful:
        kept = "kept" if doubtful else "left out (--keep-doubtful takes them)"
        say(f"  {kept}, though nothing tells whether they were erased: {name}")
    if saved.doubtful:
        say(
            "  somebody erased may be among these, where their old bytes were put back: ask who"
            " should be there, and erase the others"
        )
    if not saved.adds_up:
        say(
            "  what was saved is not what the gallery's sealed state speaks of, or"
            " that is gone, or older than the audit trail"
        )
    if saved.unopened:
        say(
            f"  {counted(saved.unopened, 'row')} did not open: damaged, of another gallery, or from"
            " before or after a renewal"
        )
    if not saved.trail:
        say("  the audit trail is not all there: entries are gone, or were put back")
    if not saved.attempts:
        say("  failed attempts are not all there: some who had to wait may try again at once")
    for name in saved.unread:
        say(f"  not read: {name}, which is no part of a gallery")
    return 0 if saved.whole else 3


def _export(options: argparse.Namespace) -> int:
    with opened_gallery(options) as gallery:
        text = json.dumps(gallery.export(options.person), indent=None if options.json else 2)
        say(*text.split("\n"))
    return 0


def _renew(options: argparse.Namespace) -> int:
    from embedge.runtime.gallery.keys import key_from_file

    new_key = None if options.new_key_file is None else key_from_file(options.new_key_file)
    with opened_gallery(options, writable=True) as gallery:
        old = gallery.info().epoch
        gallery.renew(new_key)
        info = gallery.info()
    facts = {"gallery": info.gallery, "old_epoch": old, "epoch": info.epoch}
    told = f"renewed {info.gallery}: epoch {old} → {info.epoch}"
    say(json.dumps(facts) if options.json else told)
    return 0
