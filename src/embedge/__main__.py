"""`python -m embedge`, and where the commands begin: Ctrl-C may come while they are imported."""

import sys
from functools import partial


def main(command: str = "main") -> int:
    try:
        from embedge import cli

        return int(getattr(cli, command)())
    except KeyboardInterrupt:
        from embedge.cli.output import STOPPED, ended

        return ended(130, STOPPED)


distill_and_export = partial(main, "distill_and_export")

if __name__ == "__main__":  # worker processes import this module again under another name
    sys.exit(main())
