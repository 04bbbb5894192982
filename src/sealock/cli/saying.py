"""Lines of a process that goes on whether or not anybody reads them.

A server outlives the terminal, the pipe or the log it was started with. A line that cannot be said any more
must not end what says it, nor keep it from what it was about to do.
"""

from __future__ import annotations

import errno
import os
import sys

import click

GONE = frozenset({errno.EPIPE, errno.EIO, errno.EBADF})
"""Nobody will ever read from there again."""


def say(line: str, *, err: bool = False) -> None:
    """Say a line, if it can be said. err: on standard error."""
    try:
        click.echo(line, err=err)
    except OSError as error:
        if error.errno in GONE:
            lead_nowhere(sys.stderr.fileno() if err else sys.stdout.fileno())


def lead_nowhere(stream: int) -> None:
    """Have an open file lead nowhere, for what still waits to be written to it and for all that comes."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream)
    os.close(nowhere)
