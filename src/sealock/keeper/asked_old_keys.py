"""Has the keeper seal the keys of projects from before there were key sets to their projects' key sets."""

from __future__ import annotations

from dataclasses import replace

from sealock.core.lease import KeeperAway
from sealock.core.project import Project, Projects, SealedKey, ssh_key_name
from sealock.core.sealed import Sealed
from sealock.keeper.asked import Ask, ask_for
from sealock.keeper.key_messages import Adopt, OldKey, Resealed


def old_projects(projects: Projects) -> list[Project]:
    """Those whose key is sealed the old way."""
    return [project for project in projects.all() if isinstance(project.sealed_key, SealedKey)]


async def adopt_old(ask: Ask, projects: Projects) -> list[str]:
    """Have every such key sealed anew; the names of the projects. Each is the same key with the same version,
    and its record changes in one step: killed in between, the rest is done the next time. PermanentError for
    one that does not open, UsageError if it was changed meanwhile; the others before it are done."""
    done = []
    for project in old_projects(projects):
        projects.replace(replace(project, sealed_key=await _adopted(ask, project)))
        done.append(project.name)
    return done


async def _adopted(ask: Ask, project: Project) -> Sealed:
    old = project.sealed_key
    assert isinstance(old, SealedKey)  # by `old_projects`
    key = OldKey(
        id=project.id,
        name=project.name,
        public_key=project.public_key,
        origin=project.origin,
        sealed=old,
    )
    (sealed,) = (await ask_for(ask, Adopt(key=key), Resealed)).sealed or (None,)
    if sealed is None or sealed.name != ssh_key_name(project.id, project.name, old.version):
        raise KeeperAway("it sealed something else than that project's key")
    return sealed
