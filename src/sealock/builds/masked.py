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


def mask_error(error: BaseException, masker: Masker) -> None:
    """Leave out of an error, which may quote what a machine answered, and of those it came from, what
    `masker` knows."""
    for each in _with_causes(error):
        each.args = tuple(masker.text(part) if isinstance(part, str) else part for part in each.args)
        if isinstance(each, OSError):  # says what it was made with, not its arguments
            for name in ("strerror", "filename", "filename2"):
                if isinstance(told := getattr(each, name), str):
                    setattr(each, name, masker.text(told))
        if isinstance(each, SealockError):
            each.brief, each.details = masker.text(each.brief), masker.text(each.details)
            each.resolution = masker.text(each.resolution)


def _with_causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    left = [error]
    while left:
        each = left.pop()
        if not any(each is one for one in found):
            found.append(each)
            left += [one for one in (each.__cause__, each.__context__) if one is not None]
            left += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
    return found


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
