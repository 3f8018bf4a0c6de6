"""Look at a camera and print who is there, every face of every frame."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import cv2

from embedge.runtime import FaceMatcher, Gallery, SeenFace, identify_all


def seen(matcher: FaceMatcher, gallery: Gallery, source: int | str) -> Iterator[list[SeenFace]]:
    """The faces of each frame, until the camera or the video ends."""
    capture = cv2.VideoCapture(source)
    try:
        while True:
            fine, frame = capture.read()
            if not fine:
                return
            yield identify_all(matcher, gallery, frame, colour="BGR")  # OpenCV's order
    finally:
        capture.release()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("gallery", type=Path)
    parser.add_argument("source", help="the number of a camera, or a video")
    parser.add_argument("--detector", type=Path)
    options = parser.parse_args()
    key = bytes.fromhex(os.environ["EMBEDGE_GALLERY_KEY"])
    source = int(options.source) if options.source.isdecimal() else options.source
    with (
        FaceMatcher.load(options.bundle, detector=options.detector) as matcher,
        Gallery.open(options.gallery, key=key) as gallery,
    ):
        for faces in seen(matcher, gallery, source):
            print([face.person or "nobody" for face in faces], flush=True)


if __name__ == "__main__":
    main()
