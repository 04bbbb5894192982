"""Whether more may come of an attempt at a build, for whoever follows its log."""

from __future__ import annotations

from sealock.core.builds import BuildRecords, BuildView, build_topic
from sealock.core.log_pages import Running


def running_of(builds: BuildRecords, build: BuildView, attempt: int) -> Running | None:
    """What tells when nothing more will come of it; None if it is over by now."""
    if build.ended_at is not None or attempt != build.attempt:
        return None

    async def is_over() -> bool:
        now = await builds.get(build.account, build.id)
        return now is None or now.ended_at is not None or now.attempt != attempt

    return Running(is_over, build_topic(build.id))
