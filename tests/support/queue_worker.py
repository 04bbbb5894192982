"""A worker that does nothing but hold builds for a moment: `python -m tests.support.queue_worker`.

URL WORKER LEASE REPORT     REPORT is a file to which it appends what it was told is finished
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from sealock.builds.queueing import next_claim, until_told
from sealock.core.build import Outcome
from sealock.core.queue import Beat, Claim, Patience, Queue, Wakeups
from sealock.store.database.engine import open_database
from sealock.store.queue.database import DatabaseQueue
from sealock.store.queue.wakeups import LocalWakeups

AT_ONCE = 2


async def main(url: str, worker: str, lease: float, report: Path) -> None:
    async with open_database(url, alone=False) as database:
        wakeups = LocalWakeups()
        queue = DatabaseQueue(database, wakeups, Patience(lease=lease))
        await asyncio.gather(*(_work(queue, wakeups, worker, report) for _ in range(AT_ONCE)))


async def _work(queue: Queue, wakeups: Wakeups, worker: str, report: Path) -> None:
    while True:
        claim = await next_claim(queue, wakeups, worker, poll=0.1)
        await _build(queue, wakeups, claim, report)


async def _build(queue: Queue, wakeups: Wakeups, claim: Claim, report: Path) -> None:
    beating = asyncio.create_task(until_told(queue, wakeups, claim))
    done, _ = await asyncio.wait([beating], timeout=random.choice([0.05, 0.3, 0.5, 1.2]))
    if done:
        assert beating.result() is Beat.LOST
        return
    # It goes on beating, as a real one does until it has been heard.
    if await queue.finish(claim.fence, Outcome.GREEN):
        with report.open("ab") as file:
            file.write(f"{claim.fence.build} {claim.fence.attempt}\n".encode())
            os.fsync(file.fileno())
    beating.cancel()
    await asyncio.wait([beating])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), Path(sys.argv[4])))
