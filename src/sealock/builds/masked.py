"""What a build tells its watcher, with the secrets it was given masked.

Everything a step prints goes through here before it is shown, kept or sent anywhere. A command's output
is one stream: what its masker still holds when the command ends is told before its end is.
"""

from __future__ import annotations

import dataclasses

from sealock.builds.watcher import Watcher
from sealock.core.errors import SealockError
from sealock.core.event import CommandStarted, Event, Notice, Output, PhaseEnded
from sealock.core.log import Masker


def masked(watcher: Watcher, masker: Masker) -> Watcher:
    """A watcher that hands on to `watcher` what `masker` lets through. Secrets may be added to the masker
    at any time; those of an earlier step stay masked, since what it left behind may print them."""
    return Watcher(_Masked(watcher, masker).emit, watcher.drained)


def mask_error(error: SealockError, masker: Masker) -> None:
    """Leave out of an error, which may quote what a machine answered, what `masker` knows."""
    error.brief, error.details = masker.text(error.brief), masker.text(error.details)
    error.args = (error.brief,)


class _Masked:
    def __init__(self, watcher: Watcher, masker: Masker) -> None:
        self._emit = watcher.emit
        self._masker = masker

    def emit(self, event: Event) -> None:
        if isinstance(event, Output):
            self._tell(self._masker.feed(event.data))
            return
        if not isinstance(event, Notice):  # which may come in the middle of a command's output
            self._tell(self._masker.finish())
        self._emit(self._without_secrets(event))

    def _tell(self, data: bytes) -> None:
        if data:
            self._emit(Output(data))

    def _without_secrets(self, event: Event) -> Event:
        if isinstance(event, CommandStarted):
            return dataclasses.replace(event, line=self._masker.text(event.line))
        if isinstance(event, PhaseEnded):
            return dataclasses.replace(event, detail=self._masker.text(event.detail))
        if isinstance(event, Notice):
            return Notice(self._masker.text(event.text))
        return event
