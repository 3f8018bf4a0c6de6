"""`python -m embedge`."""

import sys

from embedge.cli import main

if __name__ == "__main__":  # worker processes import this module again under another name
    sys.exit(main())
