"""`python -m embedge`."""

import sys

from embedge.cli import main

sys.exit(main())
