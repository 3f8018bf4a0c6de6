"""PYTHONPATH for a child: ours first, then the caller's, so that both try the same product."""

import os
from pathlib import Path


def import_path(*first: Path) -> str:
    return os.pathsep.join([*map(str, first), *filter(None, [os.environ.get("PYTHONPATH")])])
