"""Who is at the other end of a Unix socket, as the kernel says."""

from __future__ import annotations

import socket
import struct

NOT_CONNECTED = -1
"""The user at the other end of a socket that is not connected. asyncio takes one for connected where the
kernel has no room for a connection to a Unix socket."""

_CREDENTIALS = struct.Struct("3i")


def credentials(connection: socket.socket) -> tuple[int, int, int]:
    """Process, user and group at the other end of a Unix socket, as the kernel noted them when it was
    connected."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, group = _CREDENTIALS.unpack(found)
    return process, user, group
