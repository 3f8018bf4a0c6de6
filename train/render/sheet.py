"""Contact sheets: `python -m embedge.train.render.sheet OUT.png`, rows are people."""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedge.files import whole_file
from embedge.train.render.renderer import FaceRenderer

__all__ = ["contact_sheet"]


def contact_sheet(
    renderer: FaceRenderer, people: int, samples: int, first: int = 0
) -> NDArray[np.uint8]:
    """One picture of people x samples faces."""
    numbers = np.repeat(np.arange(first, first + people), samples)
    faces = renderer.render(numbers, np.tile(np.arange(samples), people))
    grid = faces.images.reshape(people, samples, 112, 112, 3).swapaxes(1, 2)
    return np.ascontiguousarray(grid).reshape(people * 112, samples * 112, 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="number of the first person")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hardness", type=float, default=1.0)
    options = parser.parse_args()
    renderer = FaceRenderer(options.seed, options.hardness)
    sheet = contact_sheet(renderer, options.people, options.samples, options.first)
    with whole_file(options.out) as part:
        # a palette keeps a sheet small enough for a repository
        Image.fromarray(sheet).quantize(256, dither=Image.Dither.NONE).save(part, "PNG")
    return 0


if __name__ == "__main__":
    sys.exit(main())
