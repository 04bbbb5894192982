"""Badges: a picture of how a branch stands, for a README, shown to whoever has its address.

The address holds a key of the project's own, worked out like a hook's secret and kept nowhere. It opens one
word, how the newest build of a branch came out, and nothing else. A new address ends the one before at once.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

from sealock.core.builds import BuildRecords
from sealock.core.project_records import AllProjects
from sealock.core.secret import Secret

KEY_DIGITS = 32
"""Hexadecimal digits of a badge's key: 128 bits."""


@dataclass(frozen=True)
class Badge:
    """branch: which one it speaks of. status: the outcome of its newest build that has ended, `` if there is
    none."""

    branch: str
    status: str


class Badges:
    """A `web.ports.BadgesPort`. key: the installation's for hooks; each project's is worked out of it."""

    def __init__(self, key: Secret, projects: AllProjects, builds: BuildRecords) -> None:
        self._key, self._projects, self._builds = key, projects, builds

    def key(self, project: str, version: int) -> str:
        """The key of that version, from 1, of the project of that id: small hexadecimal digits."""
        bound = f"sealock badge v1\0{project}\0{version}".encode()
        return hmac.new(self._key.reveal(), bound, sha256).hexdigest()[:KEY_DIGITS]

    async def read(self, project: str, key: str, branch: str | None) -> Badge | None:
        """How that branch stands, the project's default branch if none is named. None if the key is not the
        project's, or there is no such project: which of the two, nobody is told."""
        found = await self._projects.owned(project)
        right = self.key(project, found.settings.badge_version if found else 1)
        if not hmac.compare_digest(right.encode(), key.encode(errors="replace")) or found is None:
            return None
        wanted = found.settings.default_branch if branch is None else branch
        latest = await self._builds.latest_of_branches(found.account, [(project, wanted)])
        outcome = latest[0].outcome if latest else None
        return Badge(wanted, outcome.value if outcome else "")
