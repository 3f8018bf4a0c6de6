"""Hold a report against a policy file: exit 0 when every rule holds, 3 when one does not."""

import argparse
import json
from pathlib import Path

from embedge.errors import GateFailed
from embedge.printed import printable


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, help="a report.json")
    parser.add_argument(
        "--policy", type=Path, required=True, help="YAML or JSON: docs/reference/policy.md"
    )
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")


def run(options: argparse.Namespace) -> int:
    from embedge.report.gate.checks import checks
    from embedge.report.gate.policy import read_policy
    from embedge.report.read import read_report
    from embedge.typed import plain

    policy = read_policy(options.policy)
    found = checks(read_report(options.report), policy)
    failed = [check for check in found if check.failed]
    if options.json:
        answer = {"passed": not failed, "checks": plain(found)}
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        for check in found:
            word = "pass" if check.passed else "NOT SHOWN" if check.told else "FAIL"
            print(printable(f"{word}  {check.rule}: {check.why}"))
    if failed:
        raise GateFailed(
            "E-GATE",
            f"{len(failed)} of {len(found)} checks failed: "
            + ", ".join(printable(check.rule) for check in failed),
            where=options.report,
            remedy="Improve the run, or change the policy on purpose",
        )
    return 0
