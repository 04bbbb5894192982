"""What a Git server needs to tell us of a project's pushes: the address, the secret, a script to paste."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import Request

from sealock.core.errors import UsageError
from sealock.core.project import Project
from sealock.core.secret import Secret
from sealock.web.origin import Origin
from sealock.web.post_receive import post_receive_script


@dataclass(frozen=True)
class HookTold:
    """secret: as it signs, a text. repository: as deliveries have to call it. script: with the secret in it;
    None where the repository's name cannot stand in one."""

    url: str
    secret: str
    repository: str
    script: str | None


def hook_told(request: Request, project: Project, secret: Secret) -> HookTold:
    """The same of one project. The secret is forgotten."""
    origin = Origin.parse(str(request.base_url))
    with secret:
        key = bytes(secret.reveal())
    script = None
    with suppress(UsageError), Secret(key) as again:
        script = post_receive_script(origin, project.id, again, str(project.address))
    return HookTold(f"{origin}/hooks/git/{project.id}", key.decode(), str(project.address), script)
