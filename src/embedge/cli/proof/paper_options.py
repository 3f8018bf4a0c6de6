"""What `embedge certify` and `embedge dossier` ask alike, and how both are signed and checked."""

import argparse
import os
from collections.abc import Callable, Iterable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from embedge.cli.numbers import FMR, SEED, SEVERAL, THREADS
from embedge.printed import printable

__all__ = [
    "add_paper_options",
    "file_paper",
    "found_words",
    "order_of",
    "require_measured_again",
    "require_own_page",
    "signed_by",
    "stated_in",
]

if TYPE_CHECKING:
    from embedge.calibration.evaluation.integrity import DataFault

T = TypeVar("T")


def add_paper_options(parser: argparse.ArgumentParser, name: str) -> None:
    end = parser.add_mutually_exclusive_group(required=True)
    end.add_argument("--out", type=Path, metavar="DIR", help=f"{name}.json and .html go here")
    end.add_argument("--check", type=Path, metavar="FILE", help=f"measure this {name} again")
    parser.add_argument("--fmr", type=FMR, default=1e-4, help="default: 1e-4")
    parser.add_argument("--per-person", type=SEVERAL, default=8, metavar="N", help="default: 8")
    parser.add_argument("--seed", type=SEED, default=0, help="of the split into two groups")
    parser.add_argument(
        "--trained-on", type=Path, metavar="FILE", help="names of people trained on, one a line"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep embeddings here")
    parser.add_argument("--threads", type=THREADS, help="of the encoder (default: all cores)")
    parser.add_argument("--key", type=Path, help=f"sign the {name} with this private key")
    parser.add_argument(
        "--trust", type=Path, action="append", help="with --check: a key that must have signed it"
    )


def order_of(kind: Callable[..., T], options: argparse.Namespace) -> T:
    """The dataclass whose fields are called as the options are."""
    return kind(**{name: getattr(options, name) for name in signature(kind).parameters})


def file_paper(paper: T, page: str, name: str, told: str, options: argparse.Namespace) -> None:
    """Write it, tell what it says and where it is, and sign it where there is a key."""
    from embedge.report.papers.paper import write_paper

    path = write_paper(paper, page, options.out, name)
    print(printable(told, keep="\n"))
    print(path)
    if key := signed_by(path, options):
        print(f"signed by key {key}")


def found_words(findings: "Iterable[DataFault]") -> list[str]:
    return [f"{one.severity}: {one.what}" for one in findings]


def signed_by(paper: Path, options: argparse.Namespace) -> str | None:
    """The key that signed, where one was given."""
    from embedge.report.papers.paper import sign_paper
    from embedge.runtime.bundle.signing_keys import PASSWORD_VARIABLE

    if options.key is None:
        return None
    password = os.environ.get(PASSWORD_VARIABLE, "").encode() or None
    return sign_paper(paper, options.key, password).key_id


def stated_in(kind: type[T], options: argparse.Namespace) -> T:
    """What the document says: authenticated first where keys are given, and only then read."""
    from embedge.report.papers.paper import paper_from_bytes, read_paper, require_signed

    trusted = options.trust or []
    data = require_signed(options.check, trusted) if trusted else read_paper(options.check)
    return paper_from_bytes(kind, data, where=options.check)


def require_own_page(stated: Any, page: Callable[[Any], str], path: Path) -> None:
    """The page beside a document says what its figures say, or nobody should read it."""
    from importlib.metadata import version

    from embedge.errors import EmbedgeError
    from embedge.optional import available

    beside = path.with_suffix(".html")
    if not beside.is_file():
        return
    if stated.versions.get("embedge") != version("embedge") or not available("jinja2"):
        print(f"{beside} was not compared: it takes the version that drew it, and extra export")
    elif beside.read_bytes() != page(stated).encode():
        raise EmbedgeError(
            "E-PAPER-PAGE",
            "the page is not the one that the figures beside it draw",
            where=beside,
            remedy="Read the JSON file; whoever gave you the page has changed it",
        )


def require_measured_again(stated: Any, measured: Any, path: Path) -> None:
    from embedge.errors import EmbedgeError
    from embedge.printed import counted
    from embedge.report.papers.again import TURNED, measured_again

    found = measured_again(stated, measured)
    if found.differing:
        raise EmbedgeError(
            "E-PAPER-DIFFERS",
            f"{counted(len(found.differing), 'entry is', 'entries are')} not what was measured"
            f" again: {', '.join(found.differing[:5])}",
            where=path,
            remedy="Do not rely on it; give the same files and faces, or ask who signed it",
        )
    print(f"every figure of {path} was measured again; its date, command and versions are told")
    if found.renamed:
        print(f"of the same bytes, the name differs (stated → given): {', '.join(found.renamed)}")
    if found.turned:
        print(
            f"decisions that turned, at most {TURNED} a count, as another processor may turn them"
            f" (stated → measured): {', '.join(found.turned)}"
        )
