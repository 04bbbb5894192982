"""Doing something inside a network namespace without going there ourselves.

A namespace belongs to a thread. The work is done in a thread made for it that ends with it, so no other
work of this process ever finds itself on the wrong network. A socket stays in the namespace it was made
in, and programs started by the work run there.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000

_libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


async def inside(name: str, work: Callable[[], T]) -> T:
    """What `work` returns or raises, done inside that namespace. OSError if it cannot be entered.

    A cancellation takes effect when the work is done, so that the namespace is not taken from under it;
    a socket it returns is then closed.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            _enter(name)
            result = work()
        except BaseException as error:
            loop.call_soon_threadsafe(_settle, future, None, error)
        else:
            loop.call_soon_threadsafe(_settle, future, result, None)

    threading.Thread(target=run, name=f"in {name}", daemon=True).start()
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await _abandon(future)
        raise


async def _abandon(future: asyncio.Future[T]) -> None:
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({future})
    if future.exception() is None and isinstance(result := future.result(), socket.socket):
        result.close()


def _settle(future: asyncio.Future[T], result: T | None, error: BaseException | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]  # None only where T is None


def _enter(name: str) -> None:
    descriptor = os.open(NAMESPACES / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot enter the network namespace", name)
    finally:
        os.close(descriptor)


def open_tap(device: str) -> int:
    """A descriptor for a new tap device in the namespace of the calling thread; the device is gone when
    the last copy of the descriptor is closed."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        request = struct.pack("16sH22x", device.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
