"""The sealed values of one build, as the website has them: asked for by name, before they are looked at.

A step is given what its plan names. So what the website answers must be of that name: the worker would else
sign that a step may have another secret of the project, which nobody gave it.
"""

from __future__ import annotations

from collections.abc import Collection

from sealock.builds.pinned import Pinned
from sealock.builds.step_secrets import KINDS
from sealock.core.sealed import Kind, Owner, Sealed
from sealock.link.errors import NotTaken
from sealock.link.job import JobLink

Wanted = tuple[Kind, str, int | None]


class JobValues:
    """What was brought (`core.sealed.SealedReader`)."""

    def __init__(self, link: JobLink) -> None:
        self._link = link
        self._found: dict[Wanted, Sealed] = {}

    def get(self, owner: Owner, kind: Kind, name: str, version: int | None = None) -> Sealed | None:
        """As the port; None for what was not brought."""
        found = self._found.get((kind, name, version))
        return found if found is not None and found.name.owner == owner else None

    async def bring(self, names: Collection[str], pinned: Pinned | None) -> None:
        """Ask for these; what was brought before, in the same versions anew."""
        for name in names:
            before = [wanted for wanted in self._found if wanted[1] == name]
            for wanted in before or _wanted(name, pinned):
                await self._bring(wanted)

    async def _bring(self, wanted: Wanted) -> None:
        kind, name, version = wanted
        self._found.pop(wanted, None)
        found = await self._link.sealed(kind, name, version)
        if found is not None:
            _refuse_another(found, wanted)
            self._found[wanted] = self._found[kind, name, found.version] = found


def _refuse_another(found: Sealed, wanted: Wanted) -> None:
    kind, name, version = wanted
    if (found.name.kind, found.name.name) != (kind, name) or version not in (None, found.version):
        raise NotTaken(f"asked for {kind} {name}, it answered another sealed value")


def _wanted(name: str, pinned: Pinned | None) -> list[Wanted]:
    newest: list[Wanted] = [(kind, name, None) for kind in KINDS]
    if pinned is None:
        return newest
    version = pinned.versions.get(name)
    newest = newest if pinned.rest_newest else []
    return [*([] if version is None else [(version.kind, name, version.number)]), *newest]
