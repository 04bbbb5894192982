"""Runs one build from its source to its signed receipt.

The way itself is in `builds.way`. Here is what must hold however it goes: it is cancelled at most once,
its machine is gone before the receipt is signed, and where a machine has run there is a receipt,
unless it is for another to sign it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sealock.builds.patience import cancelled_once
from sealock.builds.request import RunPorts, RunRequest
from sealock.builds.verdict import Verdict, after_problem
from sealock.builds.watcher import Drained, Watcher, at_once
from sealock.builds.way import Way
from sealock.core.build import BuildRecord, Outcome
from sealock.core.errors import SealockError
from sealock.core.event import Emit
from sealock.core.receipt import Receipt


@dataclass(frozen=True)
class RunResult:
    """How it came out. error: what ended the build when its outcome is ERROR."""

    record: BuildRecord
    receipt: Receipt | None
    error: SealockError | None = None

    @property
    def exit_code(self) -> int:
        """What the command line ends with."""
        if self.error is not None:
            return self.error.exit_code
        return (self.record.outcome or Outcome.ERROR).exit_code


class Runner:
    """Runs builds, each in a machine of its own."""

    def __init__(self, ports: RunPorts) -> None:
        self._ports = ports

    async def run(self, request: RunRequest, emit: Emit, drained: Drained = at_once) -> RunResult:
        """Build what is asked for; `emit` is told what happens as it happens, and `drained` awaited
        after each piece of output: it may hold the build back while the one who watches is slow.

        Cancelling the task that waits here is how a build is cancelled: its machine is ended, and the
        call returns with outcome `cancelled` instead of raising. What goes wrong before a machine has
        run is raised (UsageError, InfrastructureError, CancelledError); later it is in the result.
        PermanentError if the receipt cannot be kept.
        """
        return await cancelled_once(self._run(request, Watcher(emit, drained)))

    async def _run(self, request: RunRequest, watcher: Watcher) -> RunResult:
        way = Way(self._ports, request, watcher)
        try:
            record, verdict = await way.go()
        except BaseException as problem:
            if way.record is None:
                raise
            record, verdict = way.record, after_problem(problem, way.record)
        return self._end(record, verdict)

    def _end(self, record: BuildRecord, verdict: Verdict) -> RunResult:
        record.outcome = verdict.outcome
        record.reason = verdict.reason
        record.ended_at = time.time()
        receipts = self._ports.receipts
        return RunResult(record, receipts.sign(record) if receipts else None, verdict.error)
