"""Joins standard input and output to a Unix socket; for subjects that run on this host."""

from __future__ import annotations

import sys

_CODE = """
import os, socket, sys, threading
end = socket.socket(socket.AF_UNIX)
end.connect(sys.argv[1])
def send():
    while data := os.read(0, 65536):
        end.sendall(data)
    end.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while data := end.recv(65536):
    os.write(1, data)
"""
UNIX_CLIENT = (sys.executable, "-c", _CODE)
