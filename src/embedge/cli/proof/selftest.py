"""Ask a bundle its golden vectors here, and name what is wrong where the answers do not fit.

Exit status 0: every artifact that was asked answers as the bundle says; 3: one does not.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.output import written_rows

if TYPE_CHECKING:
    from embedge.runtime.bundle.bundle import Bundle
    from embedge.runtime.selftest.result import SelfTest
