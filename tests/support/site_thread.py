"""A whole website in a thread of its own, for commands, which have loops of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.site import ServedSite, Site, serve_site

T = TypeVar("T")


@dataclass
class RunningSite:
    """url: where it is. authority: PEM, what to trust it by."""

    served: ServedSite
    loop: asyncio.AbstractEventLoop

    @property
    def site(self) -> Site:
        return self.served.site

    @property
    def url(self) -> str:
        return self.served.url

    @property
    def authority(self) -> str:
        return self.served.authority.read_text()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work comes to, done in the website's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)


@contextmanager
def site_in_thread(directory: Path) -> Iterator[RunningSite]:
    """The website, served until the block is left. directory: where nothing is yet."""
    directory.mkdir(mode=0o700)
    started: list[RunningSite] = []
    ready, ending = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serve_site(directory) as served:
            started.append(RunningSite(served, asyncio.get_running_loop()))
            ready.set()
            await ending.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(150), "the website did not start"
        yield started[0]
    finally:
        if started:
            started[0].loop.call_soon_threadsafe(ending.set)
        thread.join(150)
