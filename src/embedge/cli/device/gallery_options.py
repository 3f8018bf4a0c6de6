"""The options every command with a gallery shares."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.printed import JOINERS, printable

if TYPE_CHECKING:
    from embedge.runtime.gallery.gallery import Gallery


def add_gallery_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gallery", type=Path, help="the gallery file")
    parser.add_argument(
        "--key-file",
        type=Path,
        help="file with the gallery's key (default: the variable EMBEDGE_GALLERY_KEY)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_search_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--search",
        choices=("onnxruntime", "faiss"),
        default="onnxruntime",
        help="what scans the templates; the same answers (faiss: needs the extra faiss)",
    )


def opened_gallery(options: argparse.Namespace, *, writable: bool = False) -> "Gallery":
    from embedge.runtime.gallery.gallery import Gallery
    from embedge.runtime.gallery.keys import find_key

    key = find_key(options.key_file)
    search = getattr(options, "search", "onnxruntime")
    return Gallery.open(options.gallery, key=key, writable=writable, search=search)


def say(*lines: str) -> None:
    """Print names that somebody else chose."""
    print("\n".join(printable(line, keep=JOINERS) for line in lines), flush=True)
