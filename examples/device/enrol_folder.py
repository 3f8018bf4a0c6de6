"""Enrol a folder of people, PEOPLE/NAME/picture, into a gallery that is made if it is not there."""

import argparse
import os
from pathlib import Path

import numpy as np

from embedge.runtime import EmbedgeError, FaceMatcher, Gallery


def enrol_folder(matcher: FaceMatcher, gallery: Gallery, people: Path) -> list[str]:
    """Everyone at once, or nobody; answers with a line for each picture that was refused."""
    names, rows, refused = [], [], []
    for picture in sorted(people.glob("*/*")):
        try:
            rows.append(matcher.embed(picture))
            names.append(picture.parent.name)
        except EmbedgeError as error:  # blurred, two faces, no picture: the sentence says which
            refused.append(str(error))
    if rows:
        gallery.enroll(names, np.stack(rows), matcher.contract)
    return refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("gallery", type=Path)
    parser.add_argument("people", type=Path)
    parser.add_argument("--detector", type=Path)
    options = parser.parse_args()
    key = bytes.fromhex(os.environ["EMBEDGE_GALLERY_KEY"])
    with FaceMatcher.load(options.bundle, detector=options.detector) as matcher:
        if options.gallery.exists():
            opened = Gallery.open(options.gallery, key=key, writable=True)
        else:
            opened = Gallery.create(options.gallery, matcher.contract, key=key)
        with opened as gallery:
            for line in enrol_folder(matcher, gallery, options.people):
                print(f"refused: {line}")
            print(f"{options.gallery}: {len(gallery)} templates")


if __name__ == "__main__":
    main()
