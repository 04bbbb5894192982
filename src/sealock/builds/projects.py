"""Projects: added with a key of their own, given a new one, removed.

The key exists, sealed, before the project does: there is no moment in which a project has none.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from sealock.core.errors import UsageError
from sealock.core.keys import Sealer
from sealock.core.naming import rule_of
from sealock.core.project import PROJECT_NAME, Project, Projects, owner_of
from sealock.core.sealed import KeyDestroyer, Owner, SealedPlace
from sealock.core.source import GitAddress, GitOrigin


def add_project(
    name: str, address: GitAddress, host_keys: Sequence[str], *, projects: Projects, sealer: Sealer
) -> Project:
    """As `new_project`, kept. UsageError for a name or address that is taken, too."""
    project = new_project(name, address, host_keys, sealer=sealer)
    projects.add(project)
    return project


def new_project(name: str, address: GitAddress, host_keys: Sequence[str], *, sealer: Sealer) -> Project:
    """A project with a key that was made for it. host_keys: `algorithm base64` lines, at least one.

    UsageError for a name that cannot be one, or no host key: a Git server is never believed at its first
    word.
    """
    if not PROJECT_NAME.fullmatch(name):
        raise UsageError(
            f"{name[:80]!r} cannot be a project's name",
            resolution=rule_of(PROJECT_NAME),
        )
    if not host_keys:
        raise UsageError(
            f"the host key of {address.host} is not known",
            resolution=HOW_TO_GET_HOST_KEYS.format(host=address.host, port=address.port),
        )
    project_id = secrets.token_hex(16)
    public_key, sealed_key = sealer.new_key(project_id, 1, name, GitOrigin(address, tuple(host_keys)))
    return Project(
        id=project_id,
        name=name,
        address=address,
        host_keys=tuple(host_keys),
        public_key=public_key,
        sealed_key=sealed_key,
        created_at=time.time(),
    )


def reset_key(name: str, *, projects: Projects, sealer: Sealer) -> Project:
    """Give the project a new key; the old sealed one is gone. UsageError if there is no such project, or
    somebody else reset its key at the same time."""
    project = with_new_key(projects.get(name), sealer=sealer)
    projects.replace(project)
    return project


def with_new_key(project: Project, *, sealer: Sealer) -> Project:
    """The project with its next key."""
    public_key, sealed_key = sealer.new_key(
        project.id, project.sealed_key.version + 1, project.name, project.origin
    )
    return replace(project, public_key=public_key, sealed_key=sealed_key)


def remove_project(
    name: str,
    *,
    projects: Projects,
    keys: KeyDestroyer,
    places: Sequence[SealedPlace],
    remove_logs: Callable[[Owner], object],
) -> Project:
    """Destroy the project's keys, then forget it and everything sealed to them; returns what it was.

    From the first step on nothing of it opens again, from no backup either; cut short, it can be asked for
    again. places: where values sealed to its keys lie. remove_logs: removes its builds' logs, which are
    found by their keys and so go before those. UsageError if there is no such project.
    """
    project = projects.get(name)
    destroy_sealed(owner_of(project.id), keys=keys, places=places, remove_logs=remove_logs)
    projects.remove(name)
    return project


def destroy_sealed(
    owner: Owner,
    *,
    keys: KeyDestroyer,
    places: Sequence[SealedPlace],
    remove_logs: Callable[[Owner], object],
) -> None:
    """Destroy a project's keys, then what they opened, as for `remove_project`. May be called again."""
    keys.destroy(owner)
    remove_logs(owner)
    for place in places:
        place.forget_owner(owner)


HOW_TO_GET_HOST_KEYS = (
    "Run `ssh-keyscan -p {port} -t ed25519,ecdsa {host}`, compare what `ssh-keygen -lf -` says of its output "
    "with the fingerprint that the server's operator publishes or tells you, and give the line with "
    "--host-key. Without the comparison the answer could be anybody's."
)
