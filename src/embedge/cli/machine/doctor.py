"""Show what this machine has (GPU, CUDA, TensorRT, providers), what is wrong and how to fix it."""

import argparse
import json


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when something that is installed does not work."""
    from embedge.doctor import facts_text, findings, machine_facts
    from embedge.typed import plain

    facts = machine_facts()
    found = findings(facts)
    if options.json:
        value = {**facts.to_json(), "findings": plain(found)}
        print(json.dumps(value, indent=2))
    else:
        print(facts_text(facts, found))
    return int(any(one.level == "problem" for one in found))
