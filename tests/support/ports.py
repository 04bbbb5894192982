"""Ports of loopback, for servers that are told theirs before they listen.

One that the kernel names as free it may give to another test's server, or to anybody's connection, before
it is listened on. These lie below those it gives, and each process that runs tests has some of its own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

FIRST = 10_000
EACH = 5_000
"""Up to four processes at once stay below 30000; the kernel gives from 32768 on."""


def _ports() -> Iterator[int]:
    """The process's own in turn, for ever. It begins anywhere: another run of the tests may be going on."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    begin = os.getpid() * 101
    while True:
        yield FIRST + worker * EACH + begin % EACH
        begin += 1


_in_turn = _ports()


def free_port() -> int:
    """One that nobody listens on now, and no other test will be given."""
    for _ in range(EACH):
        port = next(_in_turn)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")
