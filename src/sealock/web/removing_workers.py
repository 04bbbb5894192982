"""A worker is removed: here at once, and at the keeper where the website may. Where it may not, whoever
operates the keeper has to, and pages and lists go on to say so."""

from __future__ import annotations

from sealock.core.errors import TemporaryError
from sealock.core.workers import Worker
from sealock.web.ports import ServicePorts


async def remove_worker(service: ServicePorts, worker: Worker) -> bool:
    """False if there is none, or it was removed before."""
    if not await service.workers.revoke(worker.id):
        return False
    if worker.key is None or service.roll is None:
        return True
    try:
        gone = await service.roll.withdraw(worker.name, worker.key)
    except TemporaryError:
        gone = False
    if gone:
        await service.workers.known(worker.id, worker.key, known=False)
    return True
