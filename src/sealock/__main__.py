"""Where `sealock` starts: the command line with the adapters that wiring makes on demand."""

from __future__ import annotations

import sys

from sealock.cli.main import run_command_line
from sealock.wiring import Wiring


def main() -> None:
    """Run one command and end the process with its exit code."""
    sys.exit(run_command_line(Wiring()))


if __name__ == "__main__":
    main()
