"""Serve a page on this machine only, where a person drops two pictures and sees them compared."""

import argparse

from embedge.cli.device.matcher_options import add_matcher_options, bundle_from, matcher_of
from embedge.cli.numbers import WHOLE


def configure(parser: argparse.ArgumentParser) -> None:
    add_matcher_options(parser)
    parser.add_argument("--port", type=WHOLE, default=8377, help="0 takes any free port")


def run(options: argparse.Namespace) -> int:
    from embedge.demo_page.answers import Comparer, Errors
    from embedge.demo_page.server import DemoServer

    with bundle_from(options) as bundle, matcher_of(bundle, options) as matcher:
        comparer = Comparer(matcher, Errors.of(bundle, matcher.artifact.name))
        with DemoServer(comparer, options.port) as server:
            print(f"open {server.address} — Ctrl-C stops", flush=True)
            server.serve_forever()
    return 0
