"""`python -m kumihimo.roles.card.chip FOLDER --port N`: put the card in FOLDER into a virtual reader (カードを挿す)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.chip.process import VPCD_PORT, run


def main() -> int:
    """The command; exit status 1 with the problem on standard error."""
    parser = argparse.ArgumentParser(prog="python -m kumihimo.roles.card.chip", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of a card that was manufactured")
    parser.add_argument("--port", type=int, default=VPCD_PORT, help="the port vpcd listens on (default: %(default)s)")
    asked = parser.parse_args()
    try:
        run(asked.folder, asked.port)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
