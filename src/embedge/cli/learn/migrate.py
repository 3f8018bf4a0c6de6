"""`embedge gallery migrate` and `bridged`: a gallery goes over to another model, and back."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.device.gallery_options import opened_gallery, say
from embedge.errors import EmbedgeError
from embedge.printed import counted

if TYPE_CHECKING:
    from embedge.runtime.gallery.gallery import Gallery
    from embedge.runtime.gallery.migration.standing import Standing

_NAMED = 20


def add_migrate_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--bridge", type=Path, metavar="MAP", help="what `embedge bridge` wrote")
    what.add_argument("--back", action="store_true", help="search the old templates again")
    what.add_argument(
        "--forget-old", action="store_true", help="erase the old templates: no way back from there"
    )
    what.add_argument(
        "--forget-new", action="store_true", help="gone back: erase the new model's templates"
    )
    parser.add_argument("--bundle", type=Path, metavar="NEW", help="the new model's bundle")
    parser.add_argument(
        "--trust", type=Path, action="append", metavar="KEY.pub", help="who may sign map and bundle"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run_migrate(options: argparse.Namespace) -> int:
    from embedge.runtime.gallery.migration.going import forget, go_back
    from embedge.runtime.gallery.migration.standing import standing

    if options.bridge and options.bundle is None:
        raise EmbedgeError(
            "E-MIGRATION",
            "a gallery is bound to how its model is fed, and a map does not say that",
            remedy="Give the new model's bundle: --bundle NEW",
        )
    with opened_gallery(options, writable=True) as gallery:
        if options.bridge:
            _carry(options, gallery)
        elif options.back:
            go_back(gallery)
        else:
            forget(gallery, new=options.forget_new)
        _tell(standing(gallery), as_json=options.json)
    return 0


def run_bridged(options: argparse.Namespace) -> int:
    """Everybody, a line each: those to be enrolled again are marked."""
    from embedge.runtime.gallery.migration.standing import standing

    with opened_gallery(options) as gallery:
        found = standing(gallery)
    if options.json:
        _tell(found, as_json=True)
    else:
        again = set(found.enrol_again)
        say(*(f"{name}{'  (enrol again)' if name in again else ''}" for name in found.bridged))
    return 0


def _carry(options: argparse.Namespace, gallery: "Gallery") -> None:
    from embedge.progress import Progress
    from embedge.runtime.bridge import read_bridge
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.gallery.migration.going import migrate

    trusted = options.trust or ()
    bridge = read_bridge(options.bridge, trusted=trusted)
    with Bundle.open(options.bundle, trusted=trusted) as bundle:
        contract = bundle.contract
    limit = bridge.facts.get("enrol_again_up_to", -1.0)
    done = 0
    with Progress(quiet=options.quiet or options.json).task("migrate", len(gallery)) as task:

        def on_step(carried: int, total: int) -> None:
            nonlocal done
            task.advance(carried - done, f"{carried:,} of {total:,} templates")
            done = carried

        migrate(gallery, bridge, contract, limit=float(limit), on_step=on_step)


def _tell(found: "Standing", *, as_json: bool) -> None:
    crossing = found.crossing
    facts = {
        "templates": found.templates,
        "people": found.people,
        "searched": "new" if crossing and (crossing.across or not crossing.kept) else "own",
        "bridged_templates": crossing.bridged if crossing else 0,
        "kept_sealed": crossing.hidden if crossing else 0,
        "bridged": found.bridged,
        "enrol_again": found.enrol_again,
    }
    if as_json:
        say(json.dumps(facts))
        return
    native = found.people - len(found.bridged)
    gone_back = crossing is not None and crossing.kept and not crossing.across
    say(
        f"searched: {counted(found.templates, 'template')} of"
        f" {counted(found.people, 'person', 'people')}"
        f" ({facts['searched']} model)",
        f"{'of the new model, not searched' if gone_back else 'backfill'}: {native:,} of"
        f" {found.people:,} people have a native template; {facts['bridged_templates']:,} templates"
        " are bridged",
        f"kept sealed, not searched: {facts['kept_sealed']:,} templates",
        *(f"enrol again: {name}" for name in found.enrol_again[:_NAMED]),
    )
    if len(found.enrol_again) > _NAMED:
        say(f"… and {len(found.enrol_again) - _NAMED:,} more: embedge gallery bridged")
