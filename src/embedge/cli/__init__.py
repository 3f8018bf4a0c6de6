"""The command line. Each command is one module of this package, imported only when it is called."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from types import ModuleType

from embedge import __version__
from embedge.cli.apart import require_apart
from embedge.cli.output import STOPPED, accept_every_letter, ended, system_error
from embedge.cli.parser import Parser, choices_of
from embedge.errors import EmbedgeError
from embedge.optional import absent_package
from embedge.printed import printable

_EXITS = """exit status: 0 done; 1 no match (--exit-status); 2 a mistake, told with its remedy;
3 done, but a bound was missed or something was refused; 130 stopped by Ctrl-C"""

_LINES = "\n"  # some errors list what is wrong, a line each

# command -> (module here, one line of help). A module offers configure(parser), run(options) -> int
COMMANDS = {
    "data": ("learn.data", "look into, convert or check a data set of faces"),
    "distill-and-export": ("learn.distill", "teacher + faces -> device bundle + report"),
    "build-engine": ("ship.build_engine", "a TensorRT engine, built and checked on device"),
    "doctor": ("machine.doctor", "what this machine has, what is wrong with it, the remedy"),
    "compare": ("learn.compare", "distillation methods side by side, over seeds"),
    "bridge": ("learn.bridge", "a map that carries a gallery to another model, judged"),
    "train-teacher": ("learn.train_teacher", "train a teacher from a recipe"),
    "bench": ("machine.bench", "latency, throughput and load patterns of a bundle here"),
    "fit-to": ("machine.fit_to", "a student's shape from the milliseconds a device allows"),
    "gate": ("proof.gate", "hold a report against a policy, for continuous integration"),
    "report": ("proof.report", "draw a report again, compare, merge, sign off"),
    "certify": (
        "proof.certify",
        "prove that people enrolled by another model need not enrol again",
    ),
    "dossier": ("proof.dossier", "a technology test report: checklist, groups, shaped verdicts"),
    "selftest": ("proof.selftest", "ask a bundle its golden vectors here; names what is wrong"),
    "sign": ("ship.sign", "sign a bundle, or check who signed it"),
    "plan": ("learn.plan", "what a recipe takes on GPUs, or a classifier alone, before training"),
    "verify": ("device.verify", "are these two pictures the same person?"),
    "enroll": ("device.enroll", "add a person's pictures to a gallery"),
    "identify": ("device.identify", "who of a gallery is this?"),
    "erase": ("device.erase", "erase a person from a gallery, and prove it"),
    "gallery": ("device.gallery", "look after a gallery: info, export, audit, renew …"),
    "demo-page": ("machine.demo_page", "drop two pictures on a local page and compare"),
    "watch": ("device.watch", "identify who appears in a folder or before a camera"),
    "quantize": ("ship.quantize", "ONNX model + aligned faces -> INT8 ONNX, with figures"),
    "export-target": (
        "ship.export_target",
        "a bundle's network for ncnn, LiteRT, ExecuTorch or CoreML, proven here",
    ),
    "bundle": (
        "ship.bundle",
        "ONNX embedder + aligned faces -> device bundle + report, no training",
    ),
    "bundle add-detector": ("ship.add_detector", "put a face detector into a bundle"),
    "completion": ("machine.completion", "completion of commands for bash, zsh, fish"),
    "evaluate": ("proof.evaluate", "error rates of models on faces, with intervals"),
}


def main(argv: Sequence[str] | None = None, *, command: str = "") -> int:
    """One command, the first words where it is not named; in one line whatever ends it early."""
    accept_every_letter()
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        status = _run(command, arguments, command) if command else _dispatched(arguments)
        sys.stdout.flush()
        return status
    except EmbedgeError as error:
        if debug:
            raise
        return ended(error.exit_code, f"{_speaker()}: {printable(error, keep=_LINES)}")
    except ImportError as error:
        absent = absent_package(error)
        if absent is None or debug:
            raise
        return ended(absent.exit_code, f"{_speaker()}: {printable(absent)}")
    except KeyboardInterrupt:
        return ended(130, STOPPED)
    except BrokenPipeError:
        return ended(141)
    except OSError as error:
        if debug:
            raise
        return ended(2, f"{_speaker()}: {printable(system_error(error))}")


distill_and_export = partial(main, command="distill-and-export")


def _dispatched(arguments: list[str]) -> int:
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    for words in (2, 1):  # a command of two words may begin like one of one
        command = " ".join(arguments[:words])
        if command in COMMANDS:
            return _run(command, arguments[words:], f"embedge {command}")
    return _answered(arguments)


def _answered(arguments: list[str]) -> int:
    parser = _overview()
    if arguments and not arguments[0].startswith("-"):
        near = _commands_like(arguments[0])
        meant = f"; did you mean `embedge {near[0]}`?" if near else ", see `embedge --help`"
        parser.error(f"there is no command '{printable(arguments[0])}'{meant}")
    options = parser.parse_args(arguments)
    if options.json and not options.version:
        parser.error("--json belongs to --version")
    if not options.version:
        parser.print_help()
    elif options.json:
        from embedge.cli.version import version_json

        print(version_json())
    else:
        print(f"embedge {__version__}")
    return 0


def _commands_like(word: str) -> list[str]:
    """A word may be one of a command of two, as `migrate` is of `gallery migrate`."""
    modules = {
        name: importlib.import_module(f"embedge.cli.{COMMANDS[name][0]}") for name in COMMANDS
    }
    actions = [
        f"{name} {action}"
        for name, module in modules.items()
        for action in choices_of(parser_of(module, name))
    ]
    whole = [action for action in actions if action.split()[1] == word]
    return whole or get_close_matches(word, [*COMMANDS, *actions], n=1)


def _run(command: str, arguments: list[str], prog: str) -> int:
    module = importlib.import_module(f"embedge.cli.{COMMANDS[command][0]}")
    parser = parser_of(module, prog)
    arguments = getattr(module, "spelled_out", list)(arguments)
    # distill-and-export takes --section.key value, which only its recipe can name
    options, extra = parser.parse_known_args(arguments)
    if extra and not extra[0].startswith("-") and not choices_of(parser):
        options, extra = parser.parse_known_intermixed_args(arguments)  # pictures after an option
    if getattr(module, "TAKES_OVERRIDES", False):
        options.overrides = extra
    elif extra:
        parser.refuse(extra)
    outside = getattr(module, "WRITES_OUTSIDE", False)
    require_apart(options, getattr(module, "WRITES", ()), outside=outside)
    return int(module.run(options))


def parser_of(module: ModuleType, prog: str) -> Parser:
    parser = Parser(prog=prog, description=module.__doc__, allow_abbrev=False)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    module.configure(parser)
    return parser


def _speaker() -> str:
    """Who complains: of several processes that torchrun started, which one."""
    rank = os.environ.get("RANK", "0")
    return "embedge" if rank == "0" else f"embedge, process {rank}"


def _overview() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items())
    parser = Parser(
        prog="embedge",
        description="Shrink a face-recognition teacher to an edge device, re-enrolling no one.",
        epilog=f"commands:\n{lines}\n\nembedge COMMAND --help explains one of them.\n\n{_EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="say which version this is")
    parser.add_argument("--json", action="store_true", help="with --version: more, as JSON")
    parser.add_argument("command", nargs="?", choices=sorted(COMMANDS), metavar="COMMAND")
    return parser
