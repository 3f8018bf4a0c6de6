"""The options every command with a gallery shares, and printing that no name can break."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.errors import EmbedgeError

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
    """Print: control characters escaped, and letters that the terminal's encoding lacks."""
    from embedge.runtime.gallery.enrolment import shown

    encoding = sys.stdout.encoding or "utf-8"
    text = "\n".join(map(shown, lines))
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = None  # else it is flushed again at the end
        raise EmbedgeError(
            "E-WRITE",
            f"cannot print what was done: {error.strerror}; the work itself is done",
            remedy="Send the output somewhere else",
        ) from error
