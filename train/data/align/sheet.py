"""A contact sheet of aligned faces, so that a person sees at a glance what came out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from embedge.files import whole_file
from embedge.runtime.picture.images import rgb_from_picture

__all__ = ["write_sheet"]

_COLUMNS, _ROWS, _SIDE = 12, 12, 112


def write_sheet(folder: Path, crops: Sequence[str], out: Path) -> int:
    """At most 144 of them, evenly chosen; how many are shown."""
    most = _COLUMNS * _ROWS
    chosen = [crops[i] for i in np.unique(np.linspace(0, len(crops) - 1, most).astype(int))]
    columns = min(_COLUMNS, len(chosen))
    sheet = Image.new("RGB", (columns * _SIDE, -(-len(chosen) // columns) * _SIDE))
    for place, crop in enumerate(chosen):
        row, column = divmod(place, columns)
        face = Image.fromarray(rgb_from_picture(folder / crop)).resize((_SIDE, _SIDE))
        sheet.paste(face, (column * _SIDE, row * _SIDE))
    with whole_file(out) as part:
        sheet.save(part, "JPEG", quality=88)
    return len(chosen)
