"""Serve a page on this machine only, where a person drops two pictures and sees them compared."""

import argparse

from embedge.cli.matcher_options import add_matcher_options, matcher_from


def configure(parser: argparse.ArgumentParser) -> None:
    add_matcher_options(parser)
    parser.add_argument("--port", type=int, default=8377, help="0 takes any free port")


def run(options: argparse.Namespace) -> int:
    from embedge.runtime.bundle import Bundle
    from embedge.runtime.demo.answers import Comparer, Errors
    from embedge.runtime.demo.server import DemoServer

    with matcher_from(options) as matcher, Bundle.open(options.bundle) as bundle:
        comparer = Comparer(matcher, Errors.of(bundle, matcher.artifact.name))
        with DemoServer(comparer, options.port) as server:
            print(f"open {server.address} — Ctrl-C stops", flush=True)
            server.serve_forever()
    return 0
