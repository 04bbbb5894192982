"""A child process that is ours from its first instruction to its accounting.

Unlike asyncio's own, it is not reaped before its last numbers are read: the kernel keeps them until
then. It is marked by two environment variables, so that the reaper knows it whatever became of us, and
it is killed by the kernel when this process dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.machines import untouched


@dataclass(frozen=True)
class Usage:
    """What a process has used over its whole life. disk_bytes: written to block devices, by the kernel's
    count, None if the kernel does not count. exit_code: negative for a signal."""

    exit_code: int
    disk_bytes: int | None
    peak_memory_bytes: int


class Child:
    """Made by `spawn`. `stdout` and `stderr` are descriptors we own, ends of pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._pidfd = os.pidfd_open(process.pid)
        self._usage: Usage | None = None
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdout = process.stdout
        self.stderr = process.stderr

    def kill(self) -> None:
        """End it now. Nothing happens if it has ended."""
        if self._usage is None:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def ended(self) -> None:
        """Wait until it has ended; it is not reaped yet."""
        if self._usage is not None:
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        # Several may wait at once, and a loop holds one reader for a descriptor.
        descriptor = os.dup(self._pidfd)
        loop.add_reader(descriptor, _resolve, future)
        try:
            await future
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def reaped(self) -> Usage:
        """Wait for its end and take its last numbers. May be called again."""
        await self.ended()
        if self._usage is None:
            disk_bytes = disk_bytes_written(self.pid)
            # It has ended, so this does not wait.
            _, status, resources = os.wait4(self.pid, 0)  # noqa: ASYNC222
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._usage = Usage(self._process.returncode, disk_bytes, resources.ru_maxrss * 1024)
            os.close(self._pidfd)
            self.stdout.close()
            self.stderr.close()
        return self._usage


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def spawn(argv: Sequence[str], *, pass_fds: Sequence[int], mark: Mapping[str, str]) -> Child:
    """Start a program with nothing but `pass_fds`, an empty input and an environment of marks.

    PermanentError if it is not there or may not be run.
    """
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C",
        **mark,
    }
    try:
        process = untouched.started(
            lambda: subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=pass_fds,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        )
    except OSError as error:
        raise PermanentError(
            f"cannot start {argv[0]}",
            details=str(error),
            resolution="Install it, or name the right program in the settings.",
        ) from error
    return Child(process)


def disk_bytes_written(pid: int) -> int | None:
    """The kernel's count of bytes this process caused to be written to block devices."""
    try:
        text = Path(f"/proc/{pid}/io").read_text()
    except OSError:
        return None
    rows = dict(line.split(": ") for line in text.splitlines())
    return int(rows["write_bytes"])
