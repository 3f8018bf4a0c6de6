"""Work with reports: draw again, compare two, merge those of devices, sign off, show the schema."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from embedge.errors import EmbedgeError, GateFailed
from embedge.printed import printable

if TYPE_CHECKING:
    from embedge.report.diff import Change
    from embedge.report.model import Report

WRITES = ("out", "html")  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _configure_render(actions.add_parser("render", help="write report.html from report.json"))
    _configure_diff(actions.add_parser("diff", help="what changed between two reports"))
    _configure_merge(actions.add_parser("merge", help="add what devices measured to a report"))
    _configure_summary(actions.add_parser("summary", help="write the one page to be signed"))
    actions.add_parser("schema", help="print the JSON Schema of report.json")


def run(options: argparse.Namespace) -> int:
    actions = {
        "render": _render,
        "diff": _diff,
        "merge": _merge,
        "summary": _summary,
        "schema": _schema,
    }
    return actions[options.action](options)


def _configure_render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, help="a report.json")
    parser.add_argument("--out", type=Path, required=True, help="folder for both files")
    parser.add_argument(
        "--no-pictures", action="store_true", help="leave faces and names out, for privacy"
    )


def _render(options: argparse.Namespace) -> int:
    from embedge.report.read import read_report
    from embedge.report.render.pictures import without_pictures
    from embedge.report.write import write_report

    report = read_report(options.report)
    _require_kept(options)
    page = write_report(without_pictures(report) if options.no_pictures else report, options.out)
    print(page)
    return 0


def _require_kept(options: argparse.Namespace) -> None:
    """Faces left out of the very file that holds them would be gone."""
    from embedge.errors import EmbedgeError

    written = options.out / "report.json"
    read = options.report / "report.json" if options.report.is_dir() else options.report
    if options.no_pictures and written.exists() and read.exists() and written.samefile(read):
        raise EmbedgeError(
            "E-OVERWRITE",
            "the report would lose its pictures for good; nothing was changed",
            where=written,
            remedy="Choose another folder for --out",
        )


def _schema(_: argparse.Namespace) -> int:
    from embedge.report.read import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0


def _configure_diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path, help="a report.json")
    parser.add_argument("after", type=Path, help="a later report.json")
    parser.add_argument("--json", action="store_true", help="print every change as JSON")
    parser.add_argument("--html", type=Path, help="also write a page")
    parser.add_argument("--all", action="store_true", help="also list what chance explains")
    parser.add_argument(
        "--fail",
        action="store_true",
        help="exit 3 when something got worse beyond chance, or when the two cannot be compared:"
        " nothing in common, other people, other gates",
    )


def _diff(options: argparse.Namespace) -> int:
    from embedge.report.diff import comparability, obstacles, report_changes
    from embedge.report.read import read_report
    from embedge.typed import plain

    before, after = read_report(options.before), read_report(options.after)
    changes, warnings = report_changes(before, after), comparability(before, after)
    worse = [change for change in changes if change.regression]
    if options.html:
        from embedge.files import write_text
        from embedge.report.render.html import rendered
        from embedge.report.render.views.changes import changes_view

        page = rendered("diff.html", **changes_view(before, after, changes, warnings))
        write_text(options.html, page)
    if options.json:
        told = [{**plain(change), "regression": change.regression} for change in changes]
        answer = {"warnings": warnings, "changes": told}
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        _print_changes(changes, warnings, everything=options.all)
    if not options.fail:
        return 0
    if worse:
        raise GateFailed(
            "E-REGRESSION",
            f"{len(worse)} figures got worse: {', '.join(printable(one.what) for one in worse)}",
            where=options.after,
            remedy="Find out why, or compare without --fail",
        )
    if found := obstacles(before, after, changes):
        raise GateFailed(
            "E-INCOMPARABLE",
            f"nothing is proven by this comparison: {printable('; '.join(found))}",
            where=options.after,
            remedy="Compare reports on the same people with the same gates, or without --fail",
        )
    return 0


def _print_changes(changes: "list[Change]", warnings: list[str], *, everything: bool) -> None:
    from embedge.report.render.views.changes import change_text

    for warning in warnings:
        print(printable(f"note    {warning}"))
    shown = [one for one in changes if one.turn != "same" and (one.certain or everything)]
    for one in sorted(shown, key=lambda one: ("worse", "better", "changed").index(one.turn)):
        sure = "" if one.certain else ", within what chance explains"
        how = f"  {change_text(one)}{sure}" if one.turn != "changed" else ""
        told = f"{one.turn:<7} {one.what}: {one.before} → {one.after} {one.unit}{how}"
        print(printable(told.rstrip()))
    worse = sum(one.regression for one in changes)
    print(f"{len(changes)} figures compared, {worse} got worse")


def _configure_merge(parser: argparse.ArgumentParser) -> None:
    from embedge.report.model import Skippable

    parser.add_argument("base", type=Path, help="the report.json of the bundle")
    parser.add_argument("others", type=Path, nargs="+", help="report.json files from devices")
    parser.add_argument("--out", type=Path, required=True, help="folder for the merged report")
    parser.add_argument(
        "--resolved",
        action="append",
        default=[],
        choices=get_args(Skippable),
        help="a skipped stage that ran on a device (may be repeated)",
    )


def _merge(options: argparse.Namespace) -> int:
    from embedge.report.merge import merged_report
    from embedge.report.read import read_report
    from embedge.report.write import write_report

    base, others = read_report(options.base), [read_report(path) for path in options.others]
    try:
        print(write_report(merged_report(base, others, resolved=options.resolved), options.out))
    except EmbedgeError:
        for path, other in zip(options.others, others):
            _require_merging(base, other, path)
        raise
    return 0


def _require_merging(base: "Report", other: "Report", path: Path) -> None:
    """That one alone can be added; the error names its file."""
    from embedge.report.merge import merged_report
    from embedge.report.read import report_from_json
    from embedge.typed import plain

    try:
        report_from_json(plain(merged_report(base, [other])))
    except EmbedgeError as error:
        raise EmbedgeError(error.code, error.what, where=path, remedy=error.remedy) from error


def _configure_summary(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, help="a report.json")
    parser.add_argument("--out", type=Path, required=True, help="the page to write, .html")
    parser.add_argument("--bundle", type=Path, help="the bundle whose report this is")
    parser.add_argument(
        "--trust", type=Path, action="append", help="a public key the bundle must be signed with"
    )


def _summary(options: argparse.Namespace) -> int:
    from embedge.files import write_text
    from embedge.report.render.summary import signature_for, summary_from_report

    signature = None
    if options.bundle:
        signature = signature_for(options.report, options.bundle, options.trust or [])
    write_text(options.out, summary_from_report(options.report, signature=signature))
    print(options.out)
    return 0
