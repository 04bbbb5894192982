"""Requests of workers that are answered late, and their end when the website stops.

A server that waits for its requests to end would wait for workers that wait for builds.
"""

from __future__ import annotations

import asyncio

from sealock.core.queue import Subscription


class LongPolls:
    """All of one website."""

    def __init__(self) -> None:
        self._ending = asyncio.Event()

    @property
    def ending(self) -> bool:
        """The website stops: nothing new is begun."""
        return self._ending.is_set()

    def end(self) -> None:
        """Have every wait end, and each that is begun from now on."""
        self._ending.set()

    async def wait(self, woken: Subscription, seconds: float) -> bool:
        """As `Subscription.wait`; False as well if the website stops."""
        told, ending = asyncio.ensure_future(woken.wait(seconds)), asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait((told, ending), return_when=asyncio.FIRST_COMPLETED)
            return told.done() and told.result()
        finally:
            for one in (told, ending):
                one.cancel()
            await asyncio.gather(told, ending, return_exceptions=True)
